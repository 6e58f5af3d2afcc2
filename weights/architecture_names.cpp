// Architectures as text: what the command line accepts, what messages and metadata say.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "weights/architecture.h"

namespace gpen {
namespace {

std::string number_text(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", v);
  return text;
}

std::string list_text(const std::vector<int>& values) {
  std::string text;
  for (int v : values) {
    if (!text.empty()) text += ' ';
    text += std::to_string(v);
  }
  return text;
}

struct GpenWidth {
  double multiplier = 0, narrow = 0;  // 0, 0: the channels follow no such rule
};

GpenWidth width_rule(const GpenArch& a) {
  // Tried first: the released pairs, which an architecture below 64 pixels could not tell apart otherwise.
  for (const GpenWidth w : {GpenWidth{2, 1}, GpenWidth{1, 0.5}}) {
    if (gpen_channels(a.out_size, w.multiplier, w.narrow) == a.channels) return w;
  }
  const double narrow = a.channels[0] / 512.0;
  const double multiplier = a.channels.size() > 4 ? a.channels[4] / (256.0 * narrow) : 2;
  if (gpen_channels(a.out_size, multiplier, narrow) == a.channels) return {multiplier, narrow};
  return {};
}

std::string metadata_value(const GpenArch& a) {
  const GpenWidth w = width_rule(a);
  if (w.narrow == 0) return "gpen";
  std::string text = "gpen:size=" + std::to_string(a.out_size);
  if (a.in_size != a.out_size) text += ",in=" + std::to_string(a.in_size);
  return text + ",cm=" + number_text(w.multiplier) + ",narrow=" + number_text(w.narrow) +
         ",style=" + std::to_string(a.style_dim) + ",mlp=" + std::to_string(a.mlp_layers);
}

bool is_power_of_two(int v) { return v > 0 && (v & (v - 1)) == 0; }

Result<Architecture> make_gpen(int in_size, int out_size, double multiplier, double narrow, int style, int mlp) {
  if (!is_power_of_two(out_size) || out_size < 8 || out_size > 2048) {
    return fail(Code::usage, "a GPEN's size is a power of two from 8 to 2048, not ", out_size);
  }
  if (!is_power_of_two(in_size) || in_size < 8 || in_size > out_size) {
    return fail(Code::usage, "a GPEN's input size is a power of two from 8 to its size, not ", in_size);
  }
  if (style < 1 || style > 4096) return fail(Code::usage, "style must be 1 to 4096, not ", style);
  if (mlp < 0 || mlp > 64) return fail(Code::usage, "mlp must be 0 to 64, not ", mlp);
  if (!(multiplier > 0 && multiplier <= 8) || !(narrow > 0 && narrow <= 4)) {
    return fail(Code::usage, "cm must be above 0 and at most 8, narrow above 0 and at most 4");
  }
  GpenArch a;
  a.in_size = in_size;
  a.out_size = out_size;
  a.style_dim = style;
  a.mlp_layers = mlp;
  a.channels = gpen_channels(out_size, multiplier, narrow);
  a.encoder_channels = gpen_channels(in_size, multiplier, narrow);
  if (*std::min_element(a.channels.begin(), a.channels.end()) < 1) {
    return fail(Code::usage, "cm=", multiplier, ",narrow=", narrow, " leaves a resolution without channels");
  }
  return Architecture(a);
}

template <class T>
bool parse_number(const std::string& text, T* value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stop == end;
}

// "size=128,cm=2,narrow=0.25,style=96,mlp=5": each optional but the size; in= for FullGenerator_SR.
Result<Architecture> parse_gpen(const std::string& name, const std::string& options) {
  int in_size = 0, out_size = 0, style = 512, mlp = 8;
  double multiplier = 2, narrow = 1;
  size_t at = 0;
  while (at <= options.size()) {
    const size_t end = std::min(options.find(',', at), options.size());
    const std::string option = options.substr(at, end - at);
    at = end + 1;
    const size_t equals = option.find('=');
    const std::string key = option.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : option.substr(equals + 1);
    const bool understood = key == "size"     ? parse_number(value, &out_size)
                            : key == "in"     ? parse_number(value, &in_size)
                            : key == "style"  ? parse_number(value, &style)
                            : key == "mlp"    ? parse_number(value, &mlp)
                            : key == "cm"     ? parse_number(value, &multiplier)
                            : key == "narrow" ? parse_number(value, &narrow)
                                              : false;
    if (!understood) {
      return fail(Code::usage, name, ": \"", option, "\" is not understood; known: size, in, cm, narrow, style, mlp");
    }
  }
  return make_gpen(in_size > 0 ? in_size : out_size, out_size, multiplier, narrow, style, mlp);
}

}  // namespace

std::vector<int> gpen_channels(int size, double channel_multiplier, double narrow) {
  std::vector<int> channels;
  for (int r = 4; r <= size; r *= 2) {
    const double full = r <= 32 ? 512.0 : 16384.0 / r * channel_multiplier;
    channels.push_back(static_cast<int>(full * narrow));
  }
  return channels;
}

const char* family_name(const Architecture& arch) {
  const char* const names[] = {"gpen", "retinaface", "parsenet", "rrdbnet"};
  return names[arch.index()];
}

std::string describe(const Architecture& arch) {
  if (const auto* a = std::get_if<GpenArch>(&arch)) {
    const GpenWidth w = width_rule(*a);
    const std::string size = a->in_size == a->out_size
                                 ? std::to_string(a->out_size)
                                 : std::to_string(a->in_size) + " to " + std::to_string(a->out_size);
    const std::string width =
        w.narrow == 0 ? "channels " + list_text(a->channels) + " (from 4x4 up)"
                      : "channel multiplier " + number_text(w.multiplier) + ", narrow " + number_text(w.narrow);
    return "GPEN " + size + ", " + width + ", style " + std::to_string(a->style_dim) + ", " +
           std::to_string(a->mlp_layers) + " mapping layers";
  }
  if (const auto* a = std::get_if<RetinaFaceArch>(&arch)) {
    const bool resnet = a->backbone == RetinaFaceArch::Backbone::resnet50;
    return std::string("RetinaFace, ") + (resnet ? "ResNet-50" : "MobileNet0.25") + ", FPN width " +
           std::to_string(a->fpn_width);
  }
  if (const auto* a = std::get_if<ParseNetArch>(&arch)) {
    return "ParseNet " + std::to_string(a->size) + ", " + std::to_string(a->classes) + " classes, channels " +
           list_text(a->down_channels) + ", " + std::to_string(a->body_blocks) + " blocks";
  }
  const auto& a = std::get<RrdbNetArch>(arch);
  return "RRDBNet x" + std::to_string(a.scale) + ", " + std::to_string(a.features) + " features, " +
         std::to_string(a.blocks) + " blocks, growth " + std::to_string(a.growth);
}

std::string architecture_spec(const Architecture& arch) {
  if (const auto* a = std::get_if<GpenArch>(&arch)) return metadata_value(*a);
  if (const auto* a = std::get_if<RetinaFaceArch>(&arch)) {
    return a->backbone == RetinaFaceArch::Backbone::resnet50 ? "retinaface-r50" : "retinaface-mobilenet0.25";
  }
  if (const auto* a = std::get_if<RrdbNetArch>(&arch)) return "realesrnet-x" + std::to_string(a->scale);
  return "parsenet";
}

std::map<std::string, std::string> architecture_metadata(const Architecture& arch) {
  std::map<std::string, std::string> m;
  m["gpen.family"] = family_name(arch);
  m["gpen.arch"] = architecture_spec(arch);
  if (const auto* a = std::get_if<GpenArch>(&arch)) {
    m["gpen.size"] = std::to_string(a->out_size);
    m["gpen.in_size"] = std::to_string(a->in_size);
    m["gpen.style_dim"] = std::to_string(a->style_dim);
    m["gpen.mlp_layers"] = std::to_string(a->mlp_layers);
    m["gpen.channels"] = list_text(a->channels);
  } else if (const auto* p = std::get_if<ParseNetArch>(&arch)) {
    m["gpen.size"] = std::to_string(p->size);
  } else if (const auto* r = std::get_if<RrdbNetArch>(&arch)) {
    m["gpen.scale"] = std::to_string(r->scale);
  }
  return m;
}

Result<Architecture> parse_architecture(const std::string& name) {
  std::string key = name;
  std::transform(key.begin(), key.end(), key.begin(),
                 [](unsigned char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
  if (key.rfind("gpen:", 0) == 0) return parse_gpen(name, key.substr(5));
  if (key == "gpen-bfr-256") return make_gpen(256, 256, 1, 0.5, 512, 8);
  for (int size : {512, 1024, 2048}) {
    if (key == "gpen-bfr-" + std::to_string(size)) return make_gpen(size, size, 2, 1, 512, 8);
  }
  if (key == "gpen-colorization-1024" || key == "gpen-inpainting-1024") return make_gpen(1024, 1024, 2, 1, 512, 8);
  if (key == "gpen-seg2face-512") return make_gpen(512, 512, 2, 1, 512, 8);
  if (key == "retinaface-r50") return Architecture(RetinaFaceArch{RetinaFaceArch::Backbone::resnet50, 256});
  if (key == "retinaface-mobilenet0.25") {
    return Architecture(RetinaFaceArch{RetinaFaceArch::Backbone::mobilenet025, 64});
  }
  if (key == "parsenet") return Architecture(ParseNetArch{512, {64, 128, 256, 256, 256}, 10, {256, 256, 128, 64}, 19});
  for (int scale : {1, 2, 4}) {
    if (key == "realesrnet-x" + std::to_string(scale)) return Architecture(RrdbNetArch{scale, 32, 32, 23});
  }
  return fail(Code::usage, "unknown architecture \"", name,
              "\"; known: gpen-bfr-256, -512, -1024, -2048, gpen-colorization-1024, gpen-inpainting-1024, "
              "gpen-seg2face-512, retinaface-r50, retinaface-mobilenet0.25, parsenet, realesrnet-x1, -x2, -x4, or "
              "gpen:size=128,cm=2,narrow=0.25,style=96,mlp=5");
}

}  // namespace gpen
