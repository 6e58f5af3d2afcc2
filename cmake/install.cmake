# What is installed, in five parts (components), which are also the Debian packages of cmake/package.cmake:
#
#   gpen              the program, its manual page and the bundled example
#   libgpen0          the shared library
#   libgpen-minimal0  the minimal shared library
#   libgpen-dev       headers, static libraries, CMake and pkg-config files, examples/embed
#   python3-gpen      the Python module
#
# Everything finds everything else by relative paths: an installed tree may be moved.
include(CMakePackageConfigHelpers)
set(GPEN_PYTHON_DIR lib/python3/dist-packages CACHE STRING "Where the Python module is installed, below the prefix")

set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gpen)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(doc_dir ${CMAKE_INSTALL_DATADIR}/doc)

# gpen_documents(COMPONENT FILES...): into its documents' folder, with the licences.
find_program(GPEN_GZIP gzip)
if(GPEN_GZIP)
  foreach(name changelog gpen.1)
    execute_process(COMMAND ${GPEN_GZIP} -9nc ${PROJECT_SOURCE_DIR}/packaging/${name}
      OUTPUT_FILE ${CMAKE_CURRENT_BINARY_DIR}/${name}.gz)
  endforeach()
endif()
function(gpen_documents component)
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/copyright ${ARGN} DESTINATION ${doc_dir}/${component}
    COMPONENT ${component})
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz DESTINATION ${doc_dir}/${component} COMPONENT ${component}
    OPTIONAL)
endfunction()

set_target_properties(gpen_minimal PROPERTIES EXPORT_NAME minimal)
set_target_properties(gpen_minimal_static PROPERTIES EXPORT_NAME minimal_static)
if(NOT GPEN_MINIMAL)
  set_target_properties(gpen_shared PROPERTIES EXPORT_NAME gpen)
  set_target_properties(gpen_static PROPERTIES EXPORT_NAME static)
endif()

if(GPEN_APP)
  install(TARGETS gpen RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT gpen)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/gpen/examples COMPONENT gpen
    PATTERN embed EXCLUDE)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gpen.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT gpen OPTIONAL)
  gpen_documents(gpen ${PROJECT_SOURCE_DIR}/README.md)
endif()

# gpen_install_shared(TARGET COMPONENT): the library, and with the development files the link to it.
function(gpen_install_shared target component)
  install(TARGETS ${target} EXPORT gpenTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component} NAMELINK_COMPONENT libgpen-dev)
  gpen_documents(${component})
endfunction()
gpen_install_shared(gpen_minimal libgpen-minimal0)
set(archives gpen_minimal_static)
if(NOT GPEN_MINIMAL)
  gpen_install_shared(gpen_shared libgpen0)
  list(APPEND archives gpen_static)
endif()
install(TARGETS ${archives} EXPORT gpenTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libgpen-dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/gpen DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT libgpen-dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/embed DESTINATION ${doc_dir}/libgpen-dev/examples
  COMPONENT libgpen-dev OPTIONAL)
gpen_documents(libgpen-dev)

# find_package(gpen)
install(EXPORT gpenTargets NAMESPACE gpen:: DESTINATION ${cmake_dir} COMPONENT libgpen-dev)
configure_package_config_file(cmake/gpenConfig.cmake.in gpenConfig.cmake INSTALL_DESTINATION ${cmake_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(gpenConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gpenConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/gpenConfigVersion.cmake
  DESTINATION ${cmake_dir} COMPONENT libgpen-dev)

# pkg-config. The way from the .pc file to the prefix, for trees that are moved.
function(gpen_pkg_config name description)
  file(RELATIVE_PATH GPEN_PC_TO_PREFIX /prefix/${pkgconfig_dir} /prefix)
  string(REGEX REPLACE "/$" "" GPEN_PC_TO_PREFIX ${GPEN_PC_TO_PREFIX})
  set(GPEN_PC_NAME ${name})
  set(GPEN_PC_DESCRIPTION ${description})
  set(GPEN_PC_PRIVATE "-lstdc++ -lm -pthread")
  if(CMAKE_DL_LIBS)
    string(APPEND GPEN_PC_PRIVATE " -l${CMAKE_DL_LIBS}")
  endif()
  configure_file(cmake/gpen.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${pkgconfig_dir} COMPONENT libgpen-dev)
endfunction()
gpen_pkg_config(gpen_minimal "Face restoration (GPEN): aligned faces only")
if(NOT GPEN_MINIMAL)
  gpen_pkg_config(gpen "Face restoration (GPEN)")

  # The Python module, and where the library lies as seen from it.
  file(RELATIVE_PATH library /prefix/${GPEN_PYTHON_DIR}/gpen /prefix/${CMAKE_INSTALL_LIBDIR}/libgpen.so.${PROJECT_VERSION_MAJOR})
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/_installed.py "LIBRARY = \"${library}\"\n")
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/python/gpen DESTINATION ${GPEN_PYTHON_DIR} COMPONENT python3-gpen
    FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/_installed.py DESTINATION ${GPEN_PYTHON_DIR}/gpen COMPONENT python3-gpen)
  gpen_documents(python3-gpen ${PROJECT_SOURCE_DIR}/python/README.md)
endif()
