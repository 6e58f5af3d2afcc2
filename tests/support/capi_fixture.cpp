#include "support/capi_fixture.h"

#include <fstream>
#include <iterator>

#include "weights/safetensors.h"
#include "weights/synth.h"

namespace gpen::test {
namespace {

std::string in_memory(const Architecture& arch) {
  const TemporaryFolder folder;
  const Result<WeightStore> store = synthesize(arch, SynthKind::formula);
  EXPECT_TRUE(store.ok()) << store.status().message();
  EXPECT_TRUE(save_safetensors(folder / "weights", *store).ok());
  std::ifstream file(folder / "weights", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

SmallNetworks::SmallNetworks() {
  gpen = in_memory(*parse_architecture("gpen:size=64,cm=1,narrow=0.125,style=32,mlp=2"));
  detector = in_memory(*parse_architecture("retinaface-mobilenet0.25"));
  ParseNetArch parse;
  parse.size = 64;
  parse.down_channels = {20, 32, 40};
  parse.body_blocks = 1;
  parse.up_channels = {24, 17};
  parser = in_memory(parse);
  RrdbNetArch enlarge;
  enlarge.features = enlarge.growth = 16;
  enlarge.blocks = 1;
  upscaler = in_memory(enlarge);
}

}  // namespace gpen::test
