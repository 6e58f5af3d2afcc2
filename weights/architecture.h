// What network a set of tensors is, read from names and shapes alone, never assumed.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "weights/weight_store.h"

namespace gpen {

// GPEN FullGenerator (and FullGenerator_SR when out_size > in_size). channels(r) as in the reference:
// int(512*narrow) for r <= 32, then int(256*cm*narrow) at 64, 128*cm*narrow at 128, ... 8*cm*narrow at 2048.
struct GpenArch {
  int in_size = 512;   // encoder resolution
  int out_size = 512;  // decoder resolution
  int style_dim = 512;
  int mlp_layers = 8;
  std::vector<int> channels;          // decoder channels at 4, 8, 16, ..., out_size: channels[i] at resolution 4<<i
  std::vector<int> encoder_channels;  // at 4, 8, ..., in_size (equal to `channels` in every released model)
  int levels() const { return static_cast<int>(channels.size()); }  // resolutions 4 .. out_size
  int encoder_levels() const { return static_cast<int>(encoder_channels.size()); }
};
struct RetinaFaceArch {
  enum class Backbone { resnet50, mobilenet025 } backbone = Backbone::resnet50;
  int fpn_width = 256;
};
struct ParseNetArch {
  int size = 512;                  // input and output side
  std::vector<int> down_channels;  // output channels of encoder.0 (first conv), encoder.1, encoder.2, ...
  int body_blocks = 10;
  std::vector<int> up_channels;  // output channels of decoder.0, decoder.1, ...
  int classes = 19;
};
struct RrdbNetArch {
  int scale = 2;  // 1, 2 or 4: pixel-unshuffle by 4/scale first (x1: 4, x2: 2, x4: none), then twice nearest x2
  int features = 32, growth = 32, blocks = 23;
};
using Architecture = std::variant<GpenArch, RetinaFaceArch, ParseNetArch, RrdbNetArch>;

// Code::model with a message that names the tensor that does not fit ("generator.convs.3.conv.weight has shape ...,
// expected ...") or, when nothing is recognised, the families that were tried. Every tensor the network needs is
// checked for presence and shape; extra tensors are ignored here (gpen info lists them).
// A model of one of these families whose name is ambiguous from shapes alone (ParseNet's side) takes it from metadata.
// Batch-norm counters and blur kernels may be absent (the networks need no such tensor), but a blur kernel that is
// there must be the one the architecture defines, within 1e-3 of its largest tap.
Result<Architecture> detect_architecture(const WeightStore& store);
std::string describe(const Architecture& arch);  // one line: "GPEN 512, channel multiplier 2, narrow 1, style 512, ..."
const char* family_name(const Architecture& arch);  // "gpen", "retinaface", "parsenet", "rrdbnet"

// The one-line form that parse_architecture() reads back where there is one ("gpen:size=128,cm=2,narrow=0.25,style=96,
// mlp=5", "retinaface-r50"), else the family's name; and the gpen.* metadata that describes the architecture.
std::string architecture_spec(const Architecture& arch);
std::map<std::string, std::string> architecture_metadata(const Architecture& arch);
// A 4x4 blur buffer of the networks: outer([1,3,3,1])/64, times 4 in to_rgb's upsample.kernel and the upsampling
// convolutions' blur.kernel (docs/reference.md 1). Row-major.
bool is_blur_kernel(const std::string& name);
std::vector<float> blur_kernel(const std::string& name);
// Batch-norm counters (int64 scalars), which no network reads.
bool is_counter(const std::string& name);
// Channels of the released GPENs at resolutions 4, 8, ..., size.
std::vector<int> gpen_channels(int size, double channel_multiplier, double narrow);

// Name and shape of every tensor of the architecture in the checkpoint's order (blur kernels included).
std::vector<std::pair<std::string, std::vector<int64_t>>> tensor_list(const Architecture& arch);
// "gpen-bfr-512", "retinaface-r50", "gpen:size=128,cm=2,narrow=0.25,style=96,mlp=5", .... Code::usage if
// unknown.
Result<Architecture> parse_architecture(const std::string& name);

}  // namespace gpen
