// Wrong arguments, against the addon.
import { argumentTests } from "./arguments.js";

argumentTests();
