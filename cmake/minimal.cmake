# What the minimal library is made of: the files that restoring an aligned face needs, room by room. GPEN_MINIMAL=ON
# compiles these and no others; an ordinary build takes the same ones out of its rooms. One that is missing here shows as
# an undefined reference when the library is linked.
set(GPEN_MINIMAL_runtime limits thread_pool workspace)
set(GPEN_MINIMAL_weights architecture architecture_names architecture_tensors dtype file_mapping safetensors_read utf8
  weight_store)
set(GPEN_MINIMAL_kernels conv2d conv2d_direct conv2d_nested conv2d_winograd gpu_weights isa isa_avx2 isa_avx512
  isa_avx512_bf16 isa_generic layout linear mapping noise rgb_stem to_rgb transform_filters transform_gemm upconv2d
  upconv2d_direct upconv2d_nested)
set(GPEN_MINIMAL_layers gpen gpen_weights styled_conv)
set(GPEN_MINIMAL_pipeline aligned_face alignment compute consistency dct degradation drawing face_batch geometry paste
  tasks)

# gpen_minimal_only(ROOM LIST): keeps those files of a list.
function(gpen_minimal_only room list)
  set(kept "")
  foreach(source ${${list}})
    get_filename_component(name ${source} NAME_WE)
    if(name IN_LIST GPEN_MINIMAL_${room})
      list(APPEND kept ${source})
    endif()
  endforeach()
  set(${list} ${kept} PARENT_SCOPE)
endfunction()
