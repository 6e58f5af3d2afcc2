#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "pipeline/faces_json.h"
#include "support/shared_data.h"

namespace gpen {
namespace {

using nlohmann::json;

const char* const kLandmarks = "[[100,100],[160,98],[131,130],[105,160],[155,158]]";

Face example_face() {
  Face f;
  f.box = {80.25, 60.5, 180, 200.125};
  f.score = 0.99951171875;
  f.landmarks = {{{100, 100}, {160, 98}, {131, 130.0625}, {105, 160}, {155, 158}}};
  return f;
}

TEST(FacesJson, RoundTripIsExact) {
  const std::vector<Face> faces = {example_face(), example_face()};
  const std::string text = faces_to_json(faces, "a \"b\".png", 640, 480, 512);
  const auto back = faces_from_json(text, "memory");
  ASSERT_TRUE(back.ok()) << back.status().message();
  ASSERT_EQ(back->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*back)[i].score, faces[i].score);
    EXPECT_EQ((*back)[i].box.x0, faces[i].box.x0);
    EXPECT_EQ((*back)[i].box.y1, faces[i].box.y1);
    for (size_t k = 0; k < 5; ++k) EXPECT_EQ((*back)[i].landmarks[k].y, faces[i].landmarks[k].y);
  }
  const json document = json::parse(text);
  EXPECT_EQ(document["image"], "a \"b\".png");
  EXPECT_EQ(document["crop_size"], 512);
  const auto a = align_face(faces[0].landmarks, 512);
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 3; ++j) {
      EXPECT_EQ(document["faces"][0]["forward"][i][j], a->forward.m[i][j]);
      EXPECT_EQ(document["faces"][0]["inverse"][i][j], a->inverse.m[i][j]);
    }
}

TEST(FacesJson, EmptyAndNotUtf8) {
  const auto none = faces_from_json(faces_to_json({}, "\xff\xfe.png", 1, 1, 256), "memory");
  ASSERT_TRUE(none.ok()) << none.status().message();
  EXPECT_TRUE(none->empty());
}

TEST(FacesJson, LandmarksAreEnough) {
  const std::string pairs = concat("[{\"landmarks\":", kLandmarks, "}]");
  const std::string flat = "{\"faces\":[{\"landmarks\":[100,100,160,98,131,130,105,160,155,158],\"other\":null}]}";
  for (const std::string& text : {pairs, flat}) {
    const auto faces = faces_from_json(text, "memory");
    ASSERT_TRUE(faces.ok()) << faces.status().message();
    ASSERT_EQ(faces->size(), 1u);
    const Face& f = (*faces)[0];
    EXPECT_EQ(f.score, 1);
    EXPECT_EQ(f.landmarks[1].x, 160);
    EXPECT_GT(f.box.smaller_side(), 60);
    for (const Point& p : f.landmarks)
      EXPECT_TRUE(p.x > f.box.x0 && p.x < f.box.x1 && p.y > f.box.y0 && p.y < f.box.y1);
  }
}

TEST(FacesJson, DerivedBoxIsNearTheDetectors) {
  GPEN_NEEDS_SHARED("golden/solvay_alignment.json");
  const json all = json::parse(std::ifstream(test::shared_file("golden/solvay_alignment.json")));
  for (const char* set : {"legacy", "zip"}) {
    const auto faces = faces_from_json(concat("{\"faces\":", all["sets"][set].dump(), "}"), set);
    ASSERT_TRUE(faces.ok()) << faces.status().message();
    ASSERT_EQ(faces->size(), 29u);
    for (const Face& f : *faces) {
      const auto b = box_from_landmarks(f.landmarks);
      ASSERT_TRUE(b.ok());
      const double w = std::min(b->x1, f.box.x1) - std::max(b->x0, f.box.x0);
      const double h = std::min(b->y1, f.box.y1) - std::max(b->y0, f.box.y0);
      const double shared = w * h;
      EXPECT_GT(shared / (b->width() * b->height() + f.box.width() * f.box.height() - shared), 0.7);
    }
  }
}

TEST(FacesJson, NamesWhatIsWrong) {
  const auto expect = [](const std::string& text, const char* reason) {
    const auto r = faces_from_json(text, "faces.json");
    ASSERT_FALSE(r.ok()) << text;
    EXPECT_EQ(r.status().code(), Code::io);
    EXPECT_EQ(r.status().message().find("faces.json: "), 0u) << r.status().message();
    EXPECT_NE(r.status().message().find(reason), std::string::npos) << r.status().message();
  };
  expect("", "not JSON");
  expect("{\"faces\":[", "not JSON");
  expect("nonsense", "not JSON");
  expect("3", "no list");
  expect("{}", "no list");
  expect("{\"faces\":{}}", "no list");
  expect("[3]", "face 0: is not an object");
  expect("[{}]", "face 0: has no \"landmarks\"");
  expect("[{\"landmarks\":[1,2,3]}]", "five points");
  expect("[{\"landmarks\":[[1,2],[3,4],[5,6],[7,8],[9]]}]", "landmark 4");
  expect("[{\"landmarks\":[[1,2],[3,4],[5,6],[7,8],[\"a\",0]]}]", "not a number");
  expect("[{\"landmarks\":[[1,2],[3,4],[5,6],[7,8],[1e99,0]]}]", "beyond");
  expect("[{\"landmarks\":[[1,2],[3,4],[5,6],[7,8],[1e999,0]]}]", "faces.json");
  expect("[{\"landmarks\":[[1,1],[1,1],[1,1],[1,1],[1,1]]}]", "coincide");
  expect(concat("[{\"landmarks\":", kLandmarks, "},{\"landmarks\":", kLandmarks, ",\"box\":[1,2,3]}]"),
         "face 1: \"box\"");
  expect(concat("[{\"landmarks\":", kLandmarks, ",\"box\":[5,5,1,9]}]"), "empty");
  expect(concat("[{\"landmarks\":", kLandmarks, ",\"score\":\"high\"}]"), "not a number");
  expect(std::string(200000, '['), "not JSON");
}

TEST(FacesJson, DamagedTextIsSafe) {
  constexpr uint32_t kSeed = 77;
  std::mt19937 random(kSeed);
  const std::string sound = faces_to_json({example_face()}, "a.png", 10, 10, 256);
  const std::string alphabet = "[]{},:\"0e-9.\\ \n\xff";
  for (int round = 0; round < 2000; ++round) {
    std::string text = sound;
    for (int k = 0; k < 1 + round % 4; ++k) text[random() % text.size()] = alphabet[random() % alphabet.size()];
    const auto r = faces_from_json(text, "damaged");
    if (!r.ok()) {
      EXPECT_EQ(r.status().code(), Code::io) << "seed " << kSeed;
    }
  }
}

TEST(FacesJson, Files) {
  test::TemporaryFolder folder;
  EXPECT_NE(load_faces(folder / "none.json").status().message().find("none.json"), std::string::npos);
  std::ofstream(folder / "f.json") << faces_to_json({example_face()}, "a.png", 10, 10, 256);
  EXPECT_EQ(load_faces(folder / "f.json")->size(), 1u);
}

}  // namespace
}  // namespace gpen
