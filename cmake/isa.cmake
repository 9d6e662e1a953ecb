# Instruction sets of src/kernels: <op>.<isa>.cpp is compiled with the flags of its <isa>.
# A new ISA is one row here, one enumerator in kernels/kernel_api.h, one row in the table of
# kernels/dispatch.cpp and one detection line in kernels/cpu.cpp.
set(MARU_ISA_FLAGS_scalar "")
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  set(MARU_ISAS scalar avx2 avxvnni avx512 amx)
  set(MARU_ISA_FLAGS_avx2 "-mavx2;-mfma;-mf16c;-mbmi;-mbmi2;-mlzcnt;-mmovbe")
  set(MARU_ISA_FLAGS_avxvnni "${MARU_ISA_FLAGS_avx2};-mavxvnni")
  set(MARU_ISA_FLAGS_avx512
      "${MARU_ISA_FLAGS_avx2};-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512cd;-mavx512vnni;-mprefer-vector-width=512")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC bug 105593: the intrinsics' own "undefined" vectors are reported as uninitialised.
    string(APPEND MARU_ISA_FLAGS_avx512 ";-Wno-maybe-uninitialized;-Wno-uninitialized")
  endif()
  set(MARU_ISA_FLAGS_amx "${MARU_ISA_FLAGS_avx512};-mamx-tile;-mamx-int8")
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(MARU_ISAS scalar neon neondot i8mm)
  set(MARU_ISA_FLAGS_neon "")  # every aarch64 has it
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC would move the loads of a register tile to its front, and then lack registers for the sums.
    set(MARU_ISA_FLAGS_neon "-fno-schedule-insns")
  endif()
  set(MARU_ISA_FLAGS_neondot "${MARU_ISA_FLAGS_neon};-march=armv8.2-a+dotprod")
  set(MARU_ISA_FLAGS_i8mm "${MARU_ISA_FLAGS_neon};-march=armv8.2-a+dotprod+i8mm")
else()
  set(MARU_ISAS scalar)
endif()

# Sets the flags of every given kernel source by the ISA in its name. Kernels are optimised in debug
# builds too; not under sanitizers, where that takes minutes per file.
function(maru_isa_sources)
  set(level -O3)
  if(MARU_SANITIZE)
    set(level -O1)
  endif()
  foreach(file ${ARGN})
    foreach(isa ${MARU_ISAS})
      if(file MATCHES "\\.${isa}\\.cpp$")
        set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${MARU_ISA_FLAGS_${isa}};${level}")
      endif()
    endforeach()
  endforeach()
endfunction()
