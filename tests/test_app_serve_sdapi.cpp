// gpen serve in the de-facto client format: pictures in base64, one or several.
#include <gtest/gtest.h>

#include "app/serve/base64.h"
#include "support/picture_files.h"
#include "support/pictures.h"
#include "support/serve_client.h"

namespace gpen::test {
namespace {

using serve::from_base64;
using serve::to_base64;

TEST(Base64, KnownTexts) {  // RFC 4648, section 10
  for (const auto& [bytes, text] : {std::pair<std::string, std::string>{"", ""},
                                    {"f", "Zg=="},
                                    {"fo", "Zm8="},
                                    {"foo", "Zm9v"},
                                    {"foob", "Zm9vYg=="},
                                    {"fooba", "Zm9vYmE="},
                                    {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(to_base64(bytes), text);
    std::string back;
    EXPECT_TRUE(from_base64(text, &back));
    EXPECT_EQ(back, bytes);
  }
  std::string all, back;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_TRUE(from_base64(to_base64(all), &back));
  EXPECT_EQ(back, all);
  EXPECT_TRUE(from_base64(" Zm9v\r\nYg ", &back));
  EXPECT_EQ(back, "foob");
  for (const char* wrong : {"Z", "Zm9vY", "Zm9*", "Zg==x", "Z=g=", "\xC3\xA4"})
    EXPECT_FALSE(from_base64(wrong, &back)) << wrong;
}

class ServeSdapi : public testing::Test {
 protected:
  // A detector with made-up weights: it finds what it finds, but the way is that of a real one.
  static void SetUpTestSuite() {
    folder_ = new CommandLine(GPEN_BINARY);
    ASSERT_EQ((*folder_)({"synth", "retinaface-mobilenet0.25", "-o", "detector.safetensors"}).code, 0);
    ASSERT_EQ((*folder_)({"synth", "realesrnet-x2", "-o", "sr.safetensors"}).code, 0);
    server_ = new Server({"-m", make_tiny_gpen(*folder_), "--detector", folder_->path("detector.safetensors"), "--sr",
                          folder_->path("sr.safetensors"), "--device", "cpu", "-j", "1", "--max-pixels", "0.3"});
    ASSERT_TRUE(server_->wait_until_ready()) << server_->err();
  }
  static void TearDownTestSuite() {
    delete server_;
    delete folder_;
  }
  httplib::Client client = server_->client();
  const std::string png = to_base64(picture_bytes(24, 20));

  httplib::Result send(const std::string& path, const Json& json) {
    return client.Post("/sdapi/v1/" + path, json.dump(), "application/json");
  }
  static Image picture(const Json& base64) {
    std::string bytes;
    EXPECT_TRUE(from_base64(base64.get<std::string>(), &bytes));
    const auto image = image_of(bytes);
    EXPECT_TRUE(image.ok()) << image.status().message();
    EXPECT_EQ(image->format, ImageFormat::png);
    return image.ok() ? *image : Image();
  }
  static CommandLine* folder_;
  static Server* server_;
};
CommandLine* ServeSdapi::folder_ = nullptr;
Server* ServeSdapi::server_ = nullptr;

TEST_F(ServeSdapi, OnePicture) {
  // As its clients send it, with fields that have no meaning here.
  const auto r = send("extra-single-image", {{"image", png},
                                             {"resize_mode", 0},
                                             {"show_extras_results", true},
                                             {"gfpgan_visibility", 0},
                                             {"codeformer_visibility", 0},
                                             {"codeformer_weight", 0},
                                             {"upscaling_resize", 2},
                                             {"upscaler_1", "None"},
                                             {"upscaler_2", "None"},
                                             {"extras_upscaler_2_visibility", 0},
                                             {"upscale_first", false}});
  ASSERT_EQ(status_of(r), 200) << r->body;
  EXPECT_FALSE(body_of(r)["html_info"].get<std::string>().empty());
  EXPECT_EQ(largest_difference(picture(body_of(r)["image"]), test_picture(24, 20)), 0);  // both weights are 0
  const auto url = send("extra-single-image", {{"image", "data:image/png;base64," + png}});
  ASSERT_EQ(status_of(url), 200) << url->body;
  EXPECT_EQ(picture(body_of(url)["image"]).width, 24);
}

TEST_F(ServeSdapi, RealFaces) {
  GPEN_NEEDS_SHARED("weights/retinaface_mobilenet0.25_zip.pth");
  Server server({"-m", "negative", "--size", "256", "--device", "cpu", "--detector",
                 shared_file("weights/retinaface_mobilenet0.25_zip.pth").string()});
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client own = server.client();
  const std::string photo = read_text(std::string(GPEN_SOURCE_DIR) + "/examples/astronaut.jpg");
  std::map<double, Image> results;
  for (const double visibility : {0.0, 0.01, 0.5, 1.0}) {
    const auto r =
        own.Post("/sdapi/v1/extra-single-image",
                 Json{{"image", to_base64(photo)}, {"gfpgan_visibility", visibility}}.dump(), "application/json");
    ASSERT_EQ(status_of(r), 200) << r->body;
    const std::string info = body_of(r)["html_info"];
    EXPECT_NE(info.find(visibility > 0 ? "1 face " : "0 faces "), std::string::npos) << info;
    results[visibility] = picture(body_of(r)["image"]);
  }
  EXPECT_EQ(largest_difference(results[0.0], *image_of(photo)), 0);  // nothing was asked for
  EXPECT_GT(largest_difference(results[0.0], results[1.0]), largest_difference(results[0.0], results[0.5]));
  EXPECT_GT(largest_difference(results[0.0], results[0.5]), 20);
  const auto detected = own.Post("/api/v1/detect", form(photo, {}));
  ASSERT_EQ(status_of(detected), 200) << detected->body;
  EXPECT_EQ(body_of(detected)["faces"].size(), 1u);
  EXPECT_EQ(body_of(detected)["faces"][0]["landmarks"].size(), 5u);
  // What detect answers is what restore takes, and the face can be left out by its index.
  const auto given = own.Post("/api/v1/restore", form(photo, {{"faces", detected->body}})),
             found = own.Post("/api/v1/restore", form(photo, {}));
  ASSERT_EQ(status_of(given), 200) << given->body;
  EXPECT_TRUE(given->body == found->body);
  const auto without = own.Post("/api/v1/restore", form(photo, {{"exclude", "0"}}));
  EXPECT_EQ(without->get_header_value("X-Gpen-Faces"), "0");
  EXPECT_EQ(largest_difference(*image_of(without->body), *image_of(photo)), 0);
  EXPECT_EQ(status_of(own.Post("/api/v1/restore", form(photo, {{"exclude", "3"}}))), 400);
}

TEST_F(ServeSdapi, Upscaling) {
  const Json names = body_of(client.Get("/sdapi/v1/upscalers"));
  ASSERT_EQ(names.size(), 4u);
  EXPECT_EQ(names[0]["name"], "None");
  EXPECT_EQ(names[1]["name"], "Lanczos");  // which clients expect everywhere
  EXPECT_EQ(names[2]["name"], "Nearest");
  const std::string upscaler = names[3]["name"];
  const auto size_of = [&](Json json) {
    json["image"] = png;
    const auto r = send("extra-single-image", json);
    if (status_of(r) != 200) return "status " + std::to_string(status_of(r)) + " " + code_of(r);
    const Image image = picture(body_of(r)["image"]);
    return std::to_string(image.width) + "x" + std::to_string(image.height);
  };
  EXPECT_EQ(size_of({{"upscaler_1", upscaler}}), "48x40");
  EXPECT_EQ(size_of({{"upscaler_1", upscaler}, {"upscaling_resize", 1.5}}), "36x30");
  EXPECT_EQ(size_of({{"upscaler_1", upscaler}, {"upscaling_resize", 3}}), "72x60");
  EXPECT_EQ(size_of({{"resize_mode", 1}, {"upscaling_resize_w", 30}, {"upscaling_resize_h", 50}}), "30x50");
  EXPECT_EQ(
      size_of({{"resize_mode", 1}, {"upscaling_resize_w", 60}, {"upscaling_resize_h", 20}, {"upscaling_crop", false}}),
      "60x50");  // of the picture's shape, 24x20
  EXPECT_EQ(
      size_of({{"resize_mode", 1}, {"upscaling_resize_w", 12}, {"upscaling_resize_h", 40}, {"upscaling_crop", false}}),
      "48x40");
  // A photo that its EXIF turns: what counts is how it stands then.
  const auto narrow = encode_image(test_picture(4, 200), ImageFormat::jpg);
  ASSERT_TRUE(narrow.ok());
  const Bytes turned = with_exif_orientation(*narrow, 6, false);
  const auto too_long = send("extra-single-image", {{"image", to_base64(std::string(turned.begin(), turned.end()))},
                                                    {"resize_mode", 1},
                                                    {"upscaling_resize_w", 4},
                                                    {"upscaling_resize_h", 400},
                                                    {"upscaling_crop", false}});
  EXPECT_EQ(status_of(too_long), 400) << "not 20000x400";
  for (const char* plain : {"Lanczos", "Nearest"}) {
    EXPECT_EQ(size_of({{"upscaler_1", plain}}), "48x40");
    EXPECT_EQ(size_of({{"upscaler_1", plain}, {"upscaling_resize", 1.5}}), "36x30");
    EXPECT_EQ(size_of({{"upscaler_1", plain}, {"upscaling_resize", 1}}), "24x20");
    EXPECT_EQ(size_of({{"upscaler_1", plain}, {"upscaling_resize", 8}}), "192x160");
    EXPECT_EQ(size_of({{"upscaler_2", plain}}), "24x20");  // of no visibility
    EXPECT_EQ(size_of({{"upscaler_2", plain}, {"extras_upscaler_2_visibility", 0.5}}), "status 400 usage");
  }
  EXPECT_EQ(size_of({{"upscaler_1", "R-ESRGAN 4x+"}}), "status 400 usage");
  EXPECT_EQ(size_of({{"upscaler_2", "R-ESRGAN 4x+"}}), "status 400 usage");
  EXPECT_EQ(size_of({{"upscaler_1", upscaler}, {"upscaling_resize", 8.5}}), "status 400 usage");
  EXPECT_EQ(size_of({{"gfpgan_visibility", 2}}), "status 400 usage");
  EXPECT_EQ(size_of({{"codeformer_weight", "much"}}), "status 400 usage");
  const auto large =
      send("extra-single-image", {{"image", to_base64(picture_bytes(300, 300))}, {"upscaler_1", upscaler}});
  EXPECT_EQ(status_of(large), 413);
  EXPECT_EQ(body_of(large)["detail"], message_of(large));
  const auto long_one = send("extra-single-image", {{"image", to_base64(picture_bytes(1, 900))},
                                                    {"resize_mode", 1},
                                                    {"upscaling_resize_w", 100},
                                                    {"upscaling_resize_h", 100},
                                                    {"upscaling_crop", false}});
  EXPECT_EQ(status_of(long_one), 413);
  EXPECT_NE(message_of(long_one).find("100x90000"), std::string::npos) << message_of(long_one);
  // The same through the other interface.
  const auto r = client.Post("/api/v1/restore", form(picture_bytes(24, 20), {{"upscale", "2"}}));
  ASSERT_EQ(status_of(r), 200) << r->body;
  EXPECT_EQ(image_of(r->body)->width, 48);
  EXPECT_EQ(image_of(client.Post("/api/v1/restore", form(picture_bytes(24, 20), {{"upscale", "0"}}))->body)->width, 24);
}

TEST_F(ServeSdapi, NearestRepeatsPixels) {
  const Image photo = test_picture(24, 20);
  const auto enlarge = [&](const char* upscaler, double factor) {
    const auto r =
        send("extra-single-image",
             {{"image", png}, {"gfpgan_visibility", 0}, {"upscaler_1", upscaler}, {"upscaling_resize", factor}});
    EXPECT_EQ(status_of(r), 200) << r->body;
    return picture(body_of(r)["image"]);
  };
  Image wanted(72, 60);
  for (int y = 0; y < 60; ++y) {
    for (int x = 0; x < 72; ++x) std::copy_n(photo.row(y / 3) + 3 * (x / 3), 3, wanted.row(y) + 3 * x);
  }
  EXPECT_EQ(largest_difference(enlarge("Nearest", 3), wanted), 0);
  EXPECT_GT(largest_difference(enlarge("Lanczos", 3), wanted), 0);
  Image half(12, 10);  // the middle of two pixels is the beginning of the second
  for (int y = 0; y < 10; ++y) {
    for (int x = 0; x < 12; ++x) std::copy_n(photo.row(2 * y + 1) + 3 * (2 * x + 1), 3, half.row(y) + 3 * x);
  }
  EXPECT_EQ(largest_difference(enlarge("Nearest", 0.5), half), 0);
}

TEST_F(ServeSdapi, EmptyPicture) {
  for (const char* empty : {"", "data:image/png;base64,"}) {
    const auto r = send("extra-single-image", {{"image", empty}});
    EXPECT_EQ(status_of(r), 400);
    EXPECT_NE(message_of(r).find("base64"), std::string::npos) << message_of(r);
    EXPECT_EQ(status_of(send("extra-batch-images", {{"imageList", {{{"data", empty}, {"name", "a"}}}}})), 400);
  }
}

// A size of another shape: the middle of the picture fills it, and no more than that is ever enlarged.
TEST_F(ServeSdapi, CutToSize) {
  const auto send_bands = [&](int width, int height, int to_width, int to_height) {
    Image bands(width, height);  // across the longer side: 0, 100, 200
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < 3 * width; ++x)
        bands.row(y)[x] = static_cast<uint8_t>(100 * (width > height ? x / width : 3 * y / height));
    }
    const auto png_bytes = encode_image(bands, ImageFormat::png).value();
    const auto r = send("extra-single-image",
                        {{"image", to_base64({reinterpret_cast<const char*>(png_bytes.data()), png_bytes.size()})},
                         {"gfpgan_visibility", 0},
                         {"resize_mode", 1},
                         {"upscaling_resize_w", to_width},
                         {"upscaling_resize_h", to_height}});
    EXPECT_EQ(status_of(r), 200) << r->body;
    const Image cut = picture(body_of(r)["image"]);
    EXPECT_EQ(cut.width, to_width);
    EXPECT_EQ(cut.height, to_height);
    EXPECT_EQ(std::count(cut.rgb.begin(), cut.rgb.end(), 100), std::ssize(cut.rgb));
  };
  send_bands(300, 90, 100, 100);
  send_bands(90, 300, 50, 50);
  send_bands(90, 300, 200, 100);
  // Enlarged as a whole it would take 1.2 GB.
  const double before = server_->peak_mb();
  send_bands(1, 1600, 500, 500);
  if (!kSanitized) {
    EXPECT_LT(server_->peak_mb(), before + 200);
  }
}

TEST_F(ServeSdapi, SeveralPictures) {
  Json list = Json::array();
  for (int i = 0; i < 3; ++i)
    list.push_back(
        {{"data", to_base64(picture_bytes(24 + i, 20, ImageFormat::jpg, i))}, {"name", std::to_string(i) + ".jpg"}});
  const auto r = send("extra-batch-images", {{"imageList", list}, {"gfpgan_visibility", 0}});
  ASSERT_EQ(status_of(r), 200) << r->body;
  ASSERT_EQ(body_of(r)["images"].size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(picture(body_of(r)["images"][static_cast<size_t>(i)]).width, 24 + i);
  list[1]["data"] = to_base64("no picture");
  const auto wrong = send("extra-batch-images", {{"imageList", list}});
  EXPECT_EQ(status_of(wrong), 415);
  EXPECT_EQ(message_of(wrong).rfind("1.jpg: ", 0), 0u) << message_of(wrong);
  EXPECT_EQ(body_of(client.Get("/sdapi/v1/face-restorers"))[0]["name"], "GPEN");
}

}  // namespace
}  // namespace gpen::test
