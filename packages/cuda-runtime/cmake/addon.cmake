# addon(name sources...): a Node-API addon, built by cmake-js.
#   *_scalar.cc  *_avx2.cc  *_avx512.cc  *_neon.cc   one instruction set each: compiled with its flags and with
#                QLORA_SIMD defined to its name (see vec.h, simd.h); left out on processors that cannot have it.
#   *.cu         compiled by nvcc where there is one;   no_cuda.cc stands in for them where there is none.
# emu_addon(name sources...): <name>.emu.node, the same with the *.cu files compiled by the C++ compiler against the
# emulator (docs/writing-kernels.md), so that kernels run and are tested without a GPU.
# Floating point is IEEE throughout: no -ffast-math, no contraction (fma() is written where it is meant).
option(CUDA "Compile the CUDA kernels where nvcc is found" ON)
option(CUDA_LINEINFO "Keep source lines in CUDA kernels, for profilers: several times the size" OFF)
set(SANITIZE "" CACHE STRING "address: AddressSanitizer and UndefinedBehaviorSanitizer; thread: ThreadSanitizer (test-sanitized.js runs node with them)")
set(SIMD "" CACHE STRING "The instruction set to build for besides scalar; all that the processor's kind has where it is empty")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_package(Threads REQUIRED)

get_filename_component(addon_root ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

set(simd_flags_scalar "")
set(simd_flags_avx2 "-mavx2;-mfma;-mf16c")
set(simd_flags_avx512 "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vbmi;-mfma;-mf16c;-mprefer-vector-width=512")
set(simd_flags_neon "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set(simd_available scalar avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  set(simd_available scalar neon)
else()
  set(simd_available scalar)
endif()
if(SIMD)
  set(simd_available scalar ${SIMD})
endif()

# A macro: languages can be enabled in the scope of a file only.
macro(addon name)
  set(addon_sources ${ARGN})
  list(FILTER addon_sources INCLUDE REGEX "\\.cu$")
  if(addon_sources AND CUDA AND NOT CMAKE_CUDA_COMPILER_LOADED)
    include(CheckLanguage)
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
      # One intermediate code, that of sm_80; from it machine code for each of these, and newer devices make theirs when they load it.
      set(CMAKE_CUDA_ARCHITECTURES OFF)
      set(cuda_code -gencode=arch=compute_80,code=compute_80)
      foreach(architecture 80 86 89 90 100 120)
        list(APPEND cuda_code -gencode=arch=compute_80,code=sm_${architecture})
      endforeach()
      set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
      enable_language(CUDA)
    endif()
  endif()
  addon_with_kernels(${name} ${ARGN})
endmacro()

function(addon_with_kernels name)
  set(cuda ${ARGN})
  list(FILTER cuda INCLUDE REGEX "\\.cu$")
  set(cxx ${ARGN})
  list(FILTER cxx EXCLUDE REGEX "\\.cu$")
  if(cuda AND CMAKE_CUDA_COMPILER)
    list(FILTER cxx EXCLUDE REGEX "no_cuda\\.cc$")
    list(APPEND cxx ${addon_root}/native/backend_cuda.cc)
  elseif(cuda)
    set(cuda)
    list(APPEND cxx ${addon_root}/native/backend_none.cc)
  endif()
  addon_target(${name} ${cxx} ${cuda})
endfunction()

function(emu_addon name)
  if(NOT UNIX OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64|aarch64|arm64|ARM64")
    message(STATUS "${name}.emu: there is no emulator for ${CMAKE_SYSTEM_NAME} on ${CMAKE_SYSTEM_PROCESSOR}")
    return()
  endif()
  set(sources ${addon_root}/emulation/backend_emu.cc ${addon_root}/emulation/copies.cc ${addon_root}/emulation/fiber.cc
    ${addon_root}/emulation/launch.cc ${addon_root}/emulation/matrix.cc ${addon_root}/emulation/races.cc ${addon_root}/emulation/source_line.cc
    ${addon_root}/emulation/scheduler.cc ${addon_root}/emulation/shared.cc
    ${addon_root}/emulation/waits.cc)
  foreach(source ${ARGN})
    if(source MATCHES "no_cuda\\.cc$")
      continue()
    elseif(source MATCHES "\\.cu$")  # a C++ file that includes it: one file cannot have two languages in one folder
      get_filename_component(path ${source} ABSOLUTE)
      string(REGEX REPLACE "[^A-Za-z0-9]" "_" wrapper ${source})
      set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/${name}.emu/${wrapper}.cc)
      file(CONFIGURE OUTPUT ${wrapper} CONTENT "// ${source} for the emulator\n#include \"${path}\"\n")
      list(APPEND sources ${wrapper})
      if(NOT SANITIZE)  # the emulator's own hooks find races (races.cc); they cannot be combined with AddressSanitizer
        set_source_files_properties(${wrapper} PROPERTIES COMPILE_OPTIONS "-fsanitize=thread;-g1;-Wno-tsan")
      endif()
    else()
      list(APPEND sources ${source})
    endif()
  endforeach()
  addon_target(${name}.emu ${sources})
  target_include_directories(${name}.emu PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(${name}.emu PRIVATE -O2 -fno-strict-aliasing -Wno-unknown-pragmas -Wno-volatile)
endfunction()

# The library itself, from sources whose languages are known.
function(addon_target name)
  set(cuda ${ARGN})
  list(FILTER cuda INCLUDE REGEX "\\.cu$")
  set(cxx ${ARGN})
  list(FILTER cxx EXCLUDE REGEX "\\.cu$")
  foreach(simd scalar avx2 avx512 neon)
    if(NOT simd IN_LIST simd_available)
      list(FILTER cxx EXCLUDE REGEX "_${simd}\\.cc$")
    endif()
  endforeach()

  add_library(${name} MODULE ${cxx} ${cuda})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".node"
    CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED OFF)  # cmake 3.25 does not know that nvcc has C++20: the option below says it
  target_include_directories(${name} PRIVATE ${addon_root}/include)
  target_include_directories(${name} SYSTEM PRIVATE ${CMAKE_JS_INC})
  target_compile_definitions(${name} PRIVATE NAPI_VERSION=8 NODE_ADDON_API_CPP_EXCEPTIONS
    NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)  # a worker that is being ended cannot take exceptions; that must not end the process
  target_compile_options(${name} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-O3;-ffp-contract=off;-Wall;-Wextra>
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr;${cuda_code};$<$<BOOL:${CUDA_LINEINFO}>:-lineinfo>>)
  target_link_libraries(${name} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
  if(SANITIZE)
    set(sanitize -fsanitize=${SANITIZE})
    if(SANITIZE STREQUAL "address")
      list(APPEND sanitize -fsanitize=undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined)
    endif()
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${sanitize};-fno-omit-frame-pointer;-g;-O1>)
    target_link_options(${name} PRIVATE ${sanitize})
  endif()
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL -static-libstdc++ -static-libgcc)
  elseif(APPLE)
    target_link_options(${name} PRIVATE -undefined dynamic_lookup)
  endif()

  foreach(source IN LISTS cxx)
    foreach(simd scalar avx2 avx512 neon)
      if(source MATCHES "_${simd}\\.cc$")
        set_source_files_properties(${source} PROPERTIES
          COMPILE_OPTIONS "${simd_flags_${simd}}" COMPILE_DEFINITIONS "QLORA_SIMD=${simd}")
      endif()
    endforeach()
  endforeach()
endfunction()
