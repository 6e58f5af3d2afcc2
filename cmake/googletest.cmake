# GoogleTest: the installed library, or, where there is none for the target of this build (a cross build), the sources
# that Debian's and Ubuntu's package googletest installs, built along with the tests.
find_package(GTest QUIET)
if(NOT TARGET GTest::gtest_main)
  set(GPEN_GOOGLETEST_SOURCES /usr/src/googletest CACHE PATH "GoogleTest's sources, for a build that finds no library")
  if(NOT EXISTS ${GPEN_GOOGLETEST_SOURCES}/CMakeLists.txt)
    message(FATAL_ERROR "There is neither GoogleTest for this target nor its sources in ${GPEN_GOOGLETEST_SOURCES}. "
      "Install libgtest-dev, name the sources in GPEN_GOOGLETEST_SOURCES, or leave the tests out: -DGPEN_TESTS=OFF")
  endif()
  message(STATUS "GoogleTest: built from ${GPEN_GOOGLETEST_SOURCES}")
  set(BUILD_GMOCK OFF CACHE INTERNAL "")
  set(INSTALL_GTEST OFF CACHE INTERNAL "")
  add_subdirectory(${GPEN_GOOGLETEST_SOURCES} ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
  target_compile_options(gtest PRIVATE -w)  # not ours to judge: GCC 12 has a false alarm in it
endif()
