# `cpack` in the build folder makes the Debian packages gpen, libgpen0, libgpen-minimal0, libgpen-dev and
# python3-gpen; what the files need
# is found by dpkg-shlibdeps. Configured with --install-prefix /usr the libraries lie in Debian's folder of the
# architecture. `cpack -G TGZ` makes an archive of everything.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME gpen)
set(CPACK_PACKAGE_VENDOR "the gpen project")
set(CPACK_PACKAGE_CONTACT "gpen maintainers <maintainers@gpen.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "gpen built using CMake")  # CPack's default: every package has its own, below
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL gpen libgpen0 libgpen-minimal0 libgpen-dev python3-gpen)
if(NOT GPEN_APP)
  list(REMOVE_ITEM CPACK_COMPONENTS_ALL gpen)
endif()
if(GPEN_MINIMAL)
  set(CPACK_COMPONENTS_ALL libgpen-minimal0 libgpen-dev)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${component})
endforeach()
set(version ${PROJECT_VERSION})

set(CPACK_DEBIAN_GPEN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_GPEN_PACKAGE_SUGGESTS "curl, ffmpeg")
set(CPACK_COMPONENT_GPEN_DESCRIPTION "restores faces in photos with GPEN
Finds the faces of a photo, restores them with a GAN prior embedded network
(Yang et al., CVPR 2021) and puts them back, on the processor or on an NVIDIA
GPU, without Python. Trained weights are not part of it: gpen fetch gets them.")

set(CPACK_DEBIAN_LIBGPEN0_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBGPEN0_DESCRIPTION "restores faces in photos with GPEN - shared library
The library with the C interface gpen.h.")

set(CPACK_DEBIAN_LIBGPEN-MINIMAL0_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBGPEN-MINIMAL0_DESCRIPTION "restores faces in photos with GPEN - minimal shared library
The C interface gpen.h for aligned faces alone: without detector, parser,
upscaler and picture files, 1 MB.")
foreach(library LIBGPEN0 LIBGPEN-MINIMAL0)
  set(CPACK_DEBIAN_${library}_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/triggers)
endforeach()

set(CPACK_DEBIAN_LIBGPEN-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBGPEN-DEV_PACKAGE_DEPENDS "libgpen0 (= ${version}), libgpen-minimal0 (= ${version})")
if(GPEN_MINIMAL)
  set(CPACK_DEBIAN_LIBGPEN-DEV_PACKAGE_DEPENDS "libgpen-minimal0 (= ${version})")
endif()
set(CPACK_COMPONENT_LIBGPEN-DEV_DESCRIPTION "restores faces in photos with GPEN - development files
Headers for C and C++, the static library, the minimal library for aligned
faces, and the files for CMake and pkg-config.")

set(CPACK_DEBIAN_PYTHON3-GPEN_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON3-GPEN_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON3-GPEN_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_PYTHON3-GPEN_PACKAGE_DEPENDS "libgpen0 (= ${version}), python3, python3-numpy")
set(CPACK_COMPONENT_PYTHON3-GPEN_DESCRIPTION "restores faces in photos with GPEN - Python module
NumPy arrays in and out, over the C interface.")
include(CPack)
