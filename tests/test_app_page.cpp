// The web page in a real browser: the way of a photo from its choice to the downloaded result.
#include <gtest/gtest.h>

#include "support/page.h"
#include "support/pictures.h"

namespace gpen::test {
namespace {

using nlohmann::json;
const char* const kSolvay = "images/Solvay_conference_1927.png";

Image load(const std::filesystem::path& path) {
  const Result<Image> image = load_image(path);
  EXPECT_TRUE(image.ok()) << image.status().message();
  return image.ok() ? *image : Image();
}

// Pixels of the boxes' inner halves, and pixels far from every box, that differ by more than a level.
struct Changes {
  std::vector<int> inside;  // for each face
  int outside = 0;
};
Changes changes(const Image& before, const Image& after, const json& faces) {
  Changes out;
  out.inside.resize(faces.size());
  EXPECT_EQ(before.width, after.width);
  EXPECT_EQ(before.height, after.height);
  if (before.rgb.size() != after.rgb.size()) return out;
  for (int y = 0; y < before.height; ++y) {
    for (int x = 0; x < before.width; ++x) {
      int difference = 0;
      for (int c = 0; c < 3; ++c)
        difference = std::max(difference, std::abs(before.row(y)[3 * x + c] - after.row(y)[3 * x + c]));
      if (difference <= 1) continue;
      bool far = true;
      for (size_t i = 0; i < faces.size(); ++i) {
        const json& box = faces[i]["box"];
        const double w = box[2].get<double>() - box[0].get<double>(), h = box[3].get<double>() - box[1].get<double>();
        const double dx = std::abs(x - (box[0].get<double>() + w / 2)) / w,
                     dy = std::abs(y - (box[1].get<double>() + h / 2)) / h;
        if (dx < 0.25 && dy < 0.25) ++out.inside[i];
        if (dx < 2 && dy < 2) far = false;
      }
      out.outside += far;
    }
  }
  return out;
}

class Page : public PageTest {
 protected:
  void open_with_detector(const BrowserOptions& options = {}) {
    open_ready_page({"--detector", shared_file(kDetector).string()}, options);
  }
  // The faces of a picture as the command finds them.
  json faces_of(const std::filesystem::path& picture) {
    const CommandResult r =
        CommandLine(GPEN_BINARY)({"detect", "-i", picture.string(), "--detector", shared_file(kDetector).string()});
    return json::parse(r.out)["faces"];
  }
  // Every text that element `id` has shown from now on, in order: seen(id).
  void watch(const std::string& id) {
    browser_->script(
        "const node = document.getElementById(arguments[0]); const seen = (window.seen ||= {})[arguments[0]] = [];"
        "new MutationObserver(() => seen.push(node.textContent)).observe(node, {childList: true, characterData: true, "
        "subtree: true});",
        {id});
  }
  std::vector<std::string> seen(const std::string& id) {
    return browser_->script("return window.seen[arguments[0]]", {id});
  }
  void wait_for_result() { browser_->wait("document.getElementById('save-png').offsetParent !== null", 300); }
  int divider() { return std::stoi(browser_->attribute("#divider", "aria-valuenow")); }
  // The part of the restored picture, from the left, that is cut away; 0 to 1.
  double cut() {
    return browser_->script(
        "const r = document.getElementById('restored');"
        "return parseFloat(getComputedStyle(r).clipPath.split(' ').pop()) / r.clientWidth");
  }
  // The example, with its faces, and without a detector.
  void open_example(const BrowserOptions& options = {}) {
    open_ready_page({}, options);
    if (HasFatalFailure()) return;
    browser_->click("#example");
    wait_for_state("1 face found");
  }
};

TEST_F(Page, SolvayFromUploadToDownload) {
  GPEN_NEEDS_BROWSER();
  GPEN_NEEDS_SHARED(kSolvay);
  open_with_detector();
  choose(shared_file(kSolvay));
  ASSERT_TRUE(wait_for_state("29 faces found"));
  EXPECT_EQ(browser_->script("return document.querySelectorAll('.spot').length"), 29);
  const json faces = faces_of(shared_file(kSolvay));
  ASSERT_EQ(faces.size(), 29u);
  // A box lies where the face is: to a CSS pixel.
  const json place = browser_->script(
      "const p = document.getElementById('original').getBoundingClientRect(), s = "
      "document.querySelectorAll('.spot')[4].getBoundingClientRect();"
      "return [(s.left - p.left) / p.width, (s.top - p.top) / p.height, (s.right - p.left) / p.width, (s.bottom - "
      "p.top) / p.height]");
  const double sides[] = {1328, 568};
  for (size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(place[i].get<double>() * sides[i % 2], faces[4]["box"][i].get<double>() + 0.5, 2) << i;

  // Two faces are switched off: one in the photo, one in the list, by keyboard.
  browser_->click(".spot:nth-child(4)");
  browser_->type(".face:nth-child(1)", keys::kRight);
  browser_->press(keys::kSpace);
  EXPECT_EQ(browser_->attribute(".face:nth-child(2)", "aria-pressed"), "false");
  EXPECT_EQ(browser_->attribute(".face:nth-child(4)", "aria-pressed"), "false");
  EXPECT_EQ(browser_->text("#restore"), "Restore 27 faces");

  watch("state");
  watch("detail");
  browser_->click("#restore");
  wait_for_result();
  EXPECT_TRUE(browser_->text("#state").starts_with("27 faces restored in ")) << browser_->text("#state");
  const std::vector<std::string> states = seen("state"), details = seen("detail");
  const auto count = [](const std::vector<std::string>& texts, const std::string& part) {
    return std::count_if(texts.begin(), texts.end(),
                         [&](const std::string& t) { return t.find(part) != std::string::npos; });
  };
  for (const char* stage : {"Looking for faces… ", "Restoring faces… ", "Putting the faces back… "})
    EXPECT_GE(count(states, stage), 1) << json(states);
  EXPECT_GE(count(states, " %"), 4) << json(states);
  EXPECT_GE(count(details, "Elapsed: "), 5) << json(details);

  // The divider: keys, mouse, and what it cuts.
  EXPECT_EQ(divider(), 50);
  EXPECT_NEAR(cut(), 0.5, 0.005);
  browser_->type("#divider", keys::kLeft + keys::kLeft + keys::kPageDown);
  EXPECT_EQ(divider(), 38);
  EXPECT_NEAR(cut(), 0.38, 0.005);
  browser_->type("#divider", keys::kEnd);
  EXPECT_EQ(divider(), 100);
  browser_->type("#divider", keys::kHome);
  EXPECT_EQ(divider(), 0);
  browser_->drag("#divider", browser_->script("return document.getElementById('viewer').clientWidth * 3 / 4"), 0);
  EXPECT_NEAR(divider(), 75, 1);
  EXPECT_NEAR(cut(), 0.75, 0.01);
  browser_->click("#zoom-in");
  EXPECT_GT(
      browser_
          ->script(
              "return document.getElementById('original').clientWidth / document.getElementById('viewer').clientWidth")
          .get<double>(),
      1.4);
  browser_->type("#viewer", "0");
  EXPECT_EQ(browser_->script("return document.getElementById('original').clientWidth"),
            browser_->script("return document.getElementById('viewer').clientWidth"));

  browser_->click("#save-png");
  browser_->click("#save-jpg");
  ASSERT_TRUE(browser_->wait_for_download("Solvay_conference_1927_restored.png"));
  ASSERT_TRUE(browser_->wait_for_download("Solvay_conference_1927_restored.jpg"));
  const Image before = load(shared_file(kSolvay)),
              after = load(browser_->downloads() / "Solvay_conference_1927_restored.png");
  const Changes changed = changes(before, after, faces);
  for (size_t i = 0; i < faces.size(); ++i) {
    if (i == 1 || i == 3)
      EXPECT_EQ(changed.inside[i], 0) << "face " << i << " was switched off";
    else
      EXPECT_GT(changed.inside[i], 20) << "face " << i;
  }
  EXPECT_EQ(changed.outside, 0);
  const Image jpeg = load(browser_->downloads() / "Solvay_conference_1927_restored.jpg");
  const int difference = largest_difference(after, jpeg);
  EXPECT_GT(difference, 0);
  EXPECT_LE(difference, 60);
}

TEST_F(Page, OnlyTheLargestFace) {
  GPEN_NEEDS_BROWSER();
  GPEN_NEEDS_SHARED(kSolvay);
  open_with_detector();
  choose(shared_file(kSolvay));
  ASSERT_TRUE(wait_for_state("29 faces found"));
  browser_->click("#largest");
  EXPECT_EQ(browser_->text("#restore"), "Restore 1 face");
  browser_->click("#restore");
  wait_for_result();
  browser_->click("#save-png");
  ASSERT_TRUE(browser_->wait_for_download("Solvay_conference_1927_restored.png"));
  const json faces = faces_of(shared_file(kSolvay));
  const auto area = [](const json& f) {
    return (f["box"][2].get<double>() - f["box"][0].get<double>()) *
           (f["box"][3].get<double>() - f["box"][1].get<double>());
  };
  const json largest =
      *std::max_element(faces.begin(), faces.end(), [&](const json& f, const json& g) { return area(f) < area(g); });
  const Changes changed =
      changes(load(shared_file(kSolvay)), load(browser_->downloads() / "Solvay_conference_1927_restored.png"),
              json::array({largest}));
  EXPECT_GT(changed.inside[0], 20);
  EXPECT_EQ(changed.outside, 0);

  // Other settings offer another run; the same settings do not.
  EXPECT_FALSE(browser_->visible("#restore"));
  browser_->click("#largest");
  EXPECT_EQ(browser_->text("#restore"), "Restore again");
}

TEST_F(Page, CancelsWhatRunsAndWhatWaits) {
  GPEN_NEEDS_BROWSER();
  GPEN_NEEDS_SHARED(kSolvay);
  // Larger faces take long enough for a browser to come in between.
  open_ready_page({"--detector", shared_file(kDetector).string(), "--size", "1024"});
  for (int i = 0; i < 4; ++i) choose(shared_file(kSolvay));
  ASSERT_TRUE(browser_->wait(
      "[...document.querySelectorAll('.queue-state')].filter(s => s.textContent === '29 faces found').length === 4",
      120));
  browser_->click("#restore-all");
  ASSERT_TRUE(browser_->wait("document.querySelector('.queue-state').textContent.includes('%')"));
  const auto state = [&](int photo) {
    return browser_->text(".queue li:nth-child(" + std::to_string(photo) + ") .queue-state");
  };
  const auto stop = [&](int photo) { browser_->click(".queue li:nth-child(" + std::to_string(photo) + ") .icon"); };
  EXPECT_EQ(state(4), "Waiting");
  stop(4);
  EXPECT_EQ(state(4), "Cancelled");
  stop(2);  // waits at the server
  ASSERT_TRUE(browser_->wait("document.querySelectorAll('.queue-state')[1].textContent === 'Cancelled'"));
  browser_->click("#cancel");  // runs
  ASSERT_TRUE(wait_for_state("Cancelled", 60));
  // The third goes its way, and a cancelled one can be taken up again.
  ASSERT_TRUE(
      browser_->wait("document.querySelectorAll('.queue-state')[2].textContent.includes('29 faces restored')", 300));
  EXPECT_EQ(state(1), "Cancelled");
  browser_->click("#restore");
  wait_for_result();
  stop(3);  // a finished one goes from the list
  EXPECT_EQ(browser_->script("return document.querySelectorAll('.queue li').length"), 3);
}

// A shared server: others fill the queue, and the page tries again by itself, for the faces as well.
TEST_F(Page, WaitsForAFullQueue) {
  GPEN_NEEDS_BROWSER();
  GPEN_NEEDS_SHARED(kSolvay);
  expected_complaint_ = "503";
  open_ready_page({"--detector", shared_file(kDetector).string(), "--queue", "1"});
  const auto ask = [&](const std::string& method, const std::string& path, const std::string& body) {
    const json answer = browser_->script("const r = new XMLHttpRequest(); r.open('" + method + "', '" + path +
                                         "', false); r.setRequestHeader('Content-Type', 'application/json'); r.send('" +
                                         body + "'); return [r.status, JSON.parse(r.responseText)]");
    return answer;
  };
  const char* const work = R"({"size":1024,"batch":16,"reps":100})";
  const json runs = ask("POST", "/api/v1/benchmark", work);
  ASSERT_EQ(runs[0], 202) << runs;
  const std::string first = "/api/v1/jobs/" + runs[1]["id"].get<std::string>();
  while (ask("GET", first, "")[1]["state"] == "queued") {
  }
  const json waits = ask("POST", "/api/v1/benchmark", work);
  ASSERT_EQ(waits[0], 202) << waits;
  for (int i = 0; i < 2; ++i) choose(shared_file(kSolvay));
  ASSERT_TRUE(wait_for_state("The server is busy"));
  ask("DELETE", "/api/v1/jobs/" + waits[1]["id"].get<std::string>(), "");
  ask("DELETE", first, "");
  ASSERT_TRUE(browser_->wait(
      "[...document.querySelectorAll('.queue-state')].filter(s => s.textContent === '29 faces found').length === 2",
      120));
}

TEST_F(Page, ExampleWithoutADetector) {
  GPEN_NEEDS_BROWSER();
  open_example();
  browser_->click("#restore");
  wait_for_result();
  EXPECT_TRUE(browser_->text("#state").starts_with("1 face restored in ")) << browser_->text("#state");
  browser_->click("#save-png");
  ASSERT_TRUE(browser_->wait_for_download("astronaut_enlarged_restored.png"));
  const std::filesystem::path examples = std::filesystem::path(GPEN_SOURCE_DIR) / "examples";
  const json faces = json::parse(read_text(examples / "astronaut_enlarged.faces.json"))["faces"];
  const Changes changed = changes(load(examples / "astronaut_enlarged.jpg"),
                                  load(browser_->downloads() / "astronaut_enlarged_restored.png"), faces);
  EXPECT_GT(changed.inside[0], 300);
  EXPECT_EQ(changed.outside, 0);

  // No face left: nothing to do.
  browser_->click("#faces .face");
  EXPECT_FALSE(browser_->script("return !document.getElementById('restore').disabled").get<bool>());

  // Any other photo needs a detector: the server's reason is shown.
  expected_complaint_ = "status of 400";
  choose(examples / "astronaut.jpg");
  browser_->wait("document.querySelectorAll('.queue li').length === 2");
  browser_->click(".queue li:nth-child(2) .queue-pick");
  wait_for_state("Did not work");
  EXPECT_NE(browser_->text("#detail").find("detector"), std::string::npos) << browser_->text("#detail");
}

TEST_F(Page, WhatIsNoPictureIsNamed) {
  GPEN_NEEDS_BROWSER();
  open_ready_page();
  choose(file_of("notes.txt", "only words"));
  ASSERT_TRUE(browser_->wait("document.querySelector('#alerts .alert') !== null"));
  EXPECT_EQ(browser_->text("#alerts .alert span"), "notes.txt is not a JPG, PNG or BMP picture.");
  EXPECT_TRUE(browser_->visible("#drop"));
  browser_->click("#alerts button");
  EXPECT_EQ(browser_->script("return document.querySelectorAll('#alerts .alert').length"), 0);

  // A name that would be markup, an ending that lies, a picture that breaks off.
  choose(file_of("<b>bold<img src=x onerror=alert(1)>.png", "also words"));
  ASSERT_TRUE(browser_->wait("document.querySelector('#alerts .alert') !== null"));
  EXPECT_EQ(browser_->text("#alerts .alert span"),
            "<b>bold<img src=x onerror=alert(1)>.png is not a JPG, PNG or BMP picture.");
  choose(file_of("torn.png", std::string("\x89PNG\r\n\x1a\n", 8) + std::string(100, 'x')));
  ASSERT_TRUE(browser_->wait("document.querySelectorAll('#alerts .alert').length === 2"));
  EXPECT_EQ(browser_->text("#alerts .alert:nth-child(2) span"), "torn.png cannot be opened: the picture is damaged.");
}

TEST_F(Page, DroppedAndPastedPhotosAreTaken) {
  GPEN_NEEDS_BROWSER();
  expected_complaint_ = "status of 400";  // there is no detector, which this is not about
  open_ready_page();
  for (const std::string event : {"drop", "paste"}) {
    browser_->script(
        "const canvas = document.createElement('canvas'); canvas.width = 40; canvas.height = 30; const kind = "
        "arguments[0];"
        "canvas.getContext('2d').fillRect(0, 0, 20, 20);"
        "canvas.toBlob((blob) => { const data = new DataTransfer(); data.items.add(new File([blob], kind + '.png', "
        "{type: 'image/png'}));"
        "  const options = {bubbles: true, cancelable: true};"
        "  if (kind === 'drop') document.getElementById('main').dispatchEvent(new DragEvent('drop', {...options, "
        "dataTransfer: data}));"
        "  else document.body.dispatchEvent(new ClipboardEvent('paste', {...options, clipboardData: data})); })",
        {event});
    ASSERT_TRUE(browser_->wait("[...document.querySelectorAll('.queue-name')].some(n => n.textContent === '" + event +
                               ".png')"));
  }
}

TEST_F(Page, BenchmarkMeasures) {
  GPEN_NEEDS_BROWSER();
  open_ready_page();
  browser_->click("#to-benchmark");
  EXPECT_FALSE(browser_->visible("#view-restore"));
  browser_->script("document.getElementById('bench-reps').value = 1");
  browser_->click("#bench-run");
  ASSERT_TRUE(browser_->wait("document.querySelectorAll('#bench-rows tr').length === 1", 180));
  EXPECT_TRUE(browser_->text("#bench-state").starts_with("Measured in ")) << browser_->text("#bench-state");
  const json row =
      browser_->script("return [...document.querySelectorAll('#bench-rows tr > *')].map(c => c.textContent)");
  EXPECT_EQ(row[1], "CPU");
  EXPECT_EQ(row[2], "FP32");
  EXPECT_EQ(row[3], "1");
  for (size_t i = 4; i < 7; ++i) EXPECT_GT(std::stod(row[i].get<std::string>()), 0) << row;
  browser_->screenshot(folder_ / "benchmark.png");
}

TEST_F(Page, AsksForTheKeyOnlyWhenThereIsOne) {
  GPEN_NEEDS_BROWSER();
  expected_complaint_ = "status of 401";
  open_page({"--api-key", "s3cret&more%+"});
  ASSERT_TRUE(browser_->wait("document.getElementById('key-dialog').open"));
  browser_->type("#key", "wrong" + keys::kEnter);
  ASSERT_TRUE(browser_->wait("document.getElementById('key-text').textContent.includes('not accepted')"));
  browser_->type("#key", "s3cret&more%+" + keys::kEnter);
  ASSERT_TRUE(browser_->wait("!document.getElementById('example').hidden"));
  browser_->click("#example");
  wait_for_state("1 face found");
  browser_->click("#restore");
  wait_for_result();
}

}  // namespace
}  // namespace gpen::test
