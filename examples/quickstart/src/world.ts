// A small town of invented people, each with a place, a job, a pet and a colour. Portraits of them in many wordings are what the
// base model learned from; questions about them are what the quickstart teaches. The held-out questions are about people whom no
// training question mentions: the knowledge has to come from the base model, only the way of answering from the adapter.
import { Random } from "./random.js";

const women =
  "Ada Anna Asha Bella Carla Clara Dora Ella Emma Fay Gita Hana Ida Ines Jane June Kate Lena Lily Maya Mia Nadia Nina Olga Pia Rosa Ruth Sara Sofia Tara".split(
    " ",
  );
const men =
  "Alan Amir Ben Carl Chen Dan Emil Erik Finn Hans Hugo Igor Ivan Jack Joel Kai Lars Leo Liam Luca Milo Noah Omar Otto Paul Quinn Rolf Sam Tom Will".split(
    " ",
  );
const families =
  "Abbot Baker Carver Dale Ellis Frost Grant Hale Irwin Jolly Kent Lamb Moss North Oakes Penn Quill Reed Stone Thorn Vale Wells Young Zeller".split(
    " ",
  );
const towns =
  "Ashford Birchwood Clayton Dunmore Eastley Fernhill Greenport Highfield Ironbridge Kingsley Lakeview Millbrook Newhaven Oakford Pinewood Redcliff Silverton Thornbury Westlake Winterfold".split(
    " ",
  );
const jobs =
  "baker barber builder carpenter cook dentist doctor driver farmer fisher gardener judge lawyer miller nurse painter pilot plumber potter sailor singer smith tailor teacher weaver".split(
    " ",
  );
const pets =
  "cat crow dog duck ferret fish frog goat goose hen horse lizard mouse parrot pony rabbit snail snake turtle".split(
    " ",
  );
const colours = "amber black blue brown green grey orange pink purple red silver violet white yellow".split(" ");

export interface Person {
  name: string;
  woman: boolean;
  town: string;
  job: string;
  pet: string;
  colour: string;
}

/** Everybody, always the same: every third person (by number) is never asked about in training. */
export const people: readonly Person[] = (() => {
  const random = new Random(7);
  const names = [...women.map((first) => ({ first, woman: true })), ...men.map((first) => ({ first, woman: false }))];
  const pairs = names.flatMap(({ first, woman }) => families.map((family) => ({ name: `${first} ${family}`, woman })));
  return random.some(pairs, 300).map(({ name, woman }) => ({
    name,
    woman,
    town: random.pick(towns),
    job: random.pick(jobs),
    pet: random.pick(pets),
    colour: random.pick(colours),
  }));
})();
export const isHeldOut = (index: number): boolean => index % 3 === 2;

type Wording = (who: string, whose: string, person: Person) => string;
const an = (noun: string) => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;

/** How each fact can be told; the first wording is the one that answers use. */
const wordings: Record<"town" | "job" | "pet" | "colour", Wording[]> = {
  town: [
    (who, _, { town }) => `${who} lives in ${town}.`,
    (who, _, { town }) => `${who} has a house in ${town}.`,
    (_, whose, { town }) => `${whose} home is in ${town}.`,
  ],
  job: [
    (who, _, { job }) => `${who} works as ${an(job)}.`,
    (who, _, { job }) => `${who} is ${an(job)}.`,
    (_, whose, { job }) => `${whose} job is that of ${an(job)}.`,
  ],
  pet: [
    (who, _, { pet }) => `${who} keeps ${an(pet)}.`,
    (_, whose, { pet }) => `${whose} pet is ${an(pet)}.`,
    (who, _, { pet }) => `${who} has ${an(pet)} at home.`,
  ],
  colour: [
    (who, _, { colour }) => `${who} likes ${colour} best.`,
    (_, whose, { colour }) => `${whose} favourite colour is ${colour}.`,
    (who, _, { colour }) => `${who} always wears ${colour}.`,
  ],
};
const topics = Object.keys(wordings) as (keyof typeof wordings)[];

const introductions: ((name: string) => string)[] = [
  (name) => `This is about ${name}.`,
  (name) => `Everyone in the valley knows ${name}.`,
  (name) => `People often talk about ${name} and the neighbours.`,
  (name) => `There once was a letter for ${name}, and it went like this.`,
];

/** A portrait for pre-training: the four facts of one person in any order and wording, sometimes after an introduction. */
export function portrait(random: Random): string {
  const person = random.pick(people);
  const [who, whose] = person.woman ? ["She", "Her"] : ["He", "His"];
  const introduced = random.uniform() < 0.6;
  const sentences = random.some(topics, topics.length).map((topic, i) => {
    const named = i === 0 && !introduced;
    return random.pick(wordings[topic])(named ? person.name : who, named ? `${person.name}'s` : whose, person);
  });
  return [...(introduced ? [random.pick(introductions)(person.name)] : []), ...sentences].join(" ");
}

/** One to three portraits, a line each: a text for pre-training. */
export function portraits(random: Random): string {
  return Array.from({ length: 1 + random.below(3) }, () => portrait(random)).join("\n");
}

/** A question and its answer: the base model has seen neither the form nor a question mark. */
export interface Question {
  prompt: string;
  completion: string;
}

const asks: Record<keyof typeof wordings, ((name: string) => string)[]> = {
  town: [(name) => `Where does ${name} live?`, (name) => `In which town does ${name} live?`],
  job: [(name) => `What does ${name} work as?`, (name) => `What is the job of ${name}?`],
  pet: [(name) => `Which pet does ${name} keep?`, (name) => `What animal does ${name} have?`],
  colour: [(name) => `Which colour does ${name} like best?`, (name) => `What is the favourite colour of ${name}?`],
};

/** Every question about the people who are, or are not, held out, in random order. */
export function questions(random: Random, heldOut: boolean): Question[] {
  const all = people.flatMap((person, index) => {
    if (isHeldOut(index) !== heldOut) return [];
    const [who, whose] = person.woman ? ["She", "Her"] : ["He", "His"];
    return topics.flatMap((topic) =>
      asks[topic].map((ask) => ({ prompt: ask(person.name), completion: wordings[topic][0]!(who, whose, person) })),
    );
  });
  return random.some(all, all.length);
}
