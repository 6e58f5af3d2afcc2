// The web page for everybody: languages, keyboard, small screens, light and dark.
#include <gtest/gtest.h>

#include "support/page.h"

namespace gpen::test {
namespace {

using nlohmann::json;

class PageAccess : public PageTest {};

const char* const kEmptyTexts =
    "return [...document.querySelectorAll('[data-t],[data-t-label]')].filter((n) =>"
    "  n.dataset.t ? !n.textContent.trim() || n.textContent === 'undefined'"
    "              : !n.getAttribute('aria-label') || n.getAttribute('aria-label') === 'undefined')"
    ".map((n) => n.dataset.t || n.dataset.tLabel)";

TEST_F(PageAccess, SpeaksEnglishAndChinese) {
  GPEN_NEEDS_BROWSER();
  open_ready_page({}, {.language = "zh-CN"});
  EXPECT_EQ(browser_->script("return document.documentElement.lang"), "zh-CN");
  EXPECT_EQ(browser_->text("#choose"), "选择照片");
  EXPECT_EQ(browser_->script(kEmptyTexts), json::array());
  browser_->script(
      "const s = document.getElementById('language'); s.value = 'en'; s.dispatchEvent(new Event('change'))");
  EXPECT_EQ(browser_->script("return document.documentElement.lang"), "en");
  EXPECT_EQ(browser_->text("#choose"), "Choose photos");
  EXPECT_EQ(browser_->script(kEmptyTexts), json::array());
  browser_->open(address_ + "/");  // remembered
  EXPECT_EQ(browser_->text("#choose"), "Choose photos");

  // The same texts, with the same places to fill in, in both.
  const std::string strings = read_text(std::filesystem::path(GPEN_SOURCE_DIR) / "app/web/strings.js");
  const json differences = browser_->script(strings + R"js(
      const out = [], places = (text) => (text.match(/\{\w+\}/g) || []).sort().join();
      for (const key of new Set([...Object.keys(STRINGS.en), ...Object.keys(STRINGS.zh)]))
        if (!STRINGS.en[key] || !STRINGS.zh[key] || places(STRINGS.en[key]) !== places(STRINGS.zh[key])) out.push(key);
      return out;)js");
  EXPECT_EQ(differences, json::array());
}

TEST_F(PageAccess, KeyboardReachesEverythingVisibly) {
  GPEN_NEEDS_BROWSER();
  open_ready_page();
  const auto tab = [&] {
    browser_->press(keys::kTab);
    return browser_->script(
        "const a = document.activeElement, s = getComputedStyle(a);"
        "return [a.id || a.className || a.tagName, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]");
  };
  std::vector<std::string> reached;
  for (int i = 0; i < 7; ++i) {
    const json stop = tab();
    reached.push_back(stop[0]);
    EXPECT_TRUE(stop[1].get<bool>()) << reached.back() << " has the focus, and nothing shows it";
  }
  EXPECT_EQ(reached,
            (std::vector<std::string>{"skip", "brand", "to-restore", "to-benchmark", "language", "choose", "example"}));

  browser_->press(keys::kEnter);
  ASSERT_TRUE(wait_for_state("1 face found"));
  browser_->type("#restore", keys::kEnter);
  ASSERT_TRUE(browser_->wait("!document.getElementById('downloads').hidden", 180));
  // Names for everything that can be operated.
  const json nameless = browser_->script(
      "return [...document.querySelectorAll('button,a,input,select,[role=slider],[tabindex=\"0\"]')]"
      ".filter((n) => n.checkVisibility({visibilityProperty: true}) && n.getAttribute('aria-hidden') !== 'true' &&"
      "  !(n.getAttribute('aria-label') || n.textContent.trim() || (n.labels && [...n.labels].some((l) => "
      "l.textContent.trim()))))"
      ".map((n) => n.id || n.outerHTML)");
  EXPECT_EQ(nameless, json::array());
  EXPECT_EQ(browser_->attribute("#divider", "role"), "slider");
  EXPECT_EQ(browser_->attribute("#divider", "aria-valuetext"), "50 % original");
  browser_->type("#divider", keys::kRight);
  EXPECT_EQ(browser_->attribute("#divider", "aria-valuetext"), "51 % original");
  // Plus and minus on the photo.
  const std::string fit = browser_->text("#zoom-value");
  browser_->type("#viewer", "++");
  EXPECT_NE(browser_->text("#zoom-value"), fit);
  browser_->type("#viewer", "0");
  EXPECT_EQ(browser_->text("#zoom-value"), fit);
}

TEST_F(PageAccess, FitsAPhone) {
  GPEN_NEEDS_BROWSER();
  open_ready_page({}, {.width = 360, .height = 740, .phone = true});
  const auto fits = [&](const char* where) {
    EXPECT_EQ(browser_->script("return document.documentElement.scrollWidth"), 360) << where;
    const json small = browser_->script(
        "return [...document.querySelectorAll('button,select,[role=slider]')].filter((n) => n.offsetParent)"
        ".map((n) => [n.id || n.className, n.getBoundingClientRect()]).filter(([, r]) => r.height < 32 || r.width < 32 "
        "||"
        " r.left < -22 || r.right > 361).map(([name]) => name)");
    EXPECT_EQ(small, json::array()) << where;
  };
  fits("empty");
  browser_->click("#example");
  ASSERT_TRUE(wait_for_state("1 face found"));
  fits("ready");
  browser_->click("#restore");
  ASSERT_TRUE(browser_->wait("!document.getElementById('downloads').hidden", 180));
  fits("done");

  // A finger on the photo moves the divider.
  const json middle = browser_->script(
      "document.getElementById('viewer').scrollIntoView({block: 'center'});"
      "const r = document.getElementById('viewer').getBoundingClientRect(); return [r.left + r.width / 2, r.top + "
      "r.height / 3, r.width]");
  const double x = middle[0], y = middle[1], width = middle[2];
  const auto touch = [&](const char* type, const json& points) {
    browser_->devtools("Input.dispatchTouchEvent", {{"type", type}, {"touchPoints", points}});
  };
  touch("touchStart", {{{"x", x}, {"y", y}}});
  for (int i = 1; i <= 5; ++i) touch("touchMove", {{{"x", x + width / 4 * i / 5}, {"y", y}}});
  touch("touchEnd", json::array());
  EXPECT_NEAR(std::stoi(browser_->attribute("#divider", "aria-valuenow")), 75, 3);
  // Two fingers that part zoom.
  touch("touchStart", {{{"x", x - 30}, {"y", y}, {"id", 0}}, {{"x", x + 30}, {"y", y}, {"id", 1}}});
  for (int i = 1; i <= 5; ++i)
    touch("touchMove", {{{"x", x - 30 - 10 * i}, {"y", y}, {"id", 0}}, {{"x", x + 30 + 10 * i}, {"y", y}, {"id", 1}}});
  touch("touchEnd", json::array());
  EXPECT_TRUE(browser_->script("return document.getElementById('viewer').classList.contains('zoomed')").get<bool>());

  browser_->script("location.hash = '#benchmark'");
  browser_->wait("!document.getElementById('view-benchmark').hidden");
  fits("benchmark");
}

// The contrast of texts with what they stand on: at least 4.5, as WCAG 2 asks for (AA).
class PageColours : public PageTest, public testing::WithParamInterface<bool> {};

TEST_P(PageColours, AreReadable) {
  GPEN_NEEDS_BROWSER();
  open_ready_page({}, {.dark = GetParam()});
  browser_->click("#example");
  ASSERT_TRUE(wait_for_state("1 face found"));
  choose(file_of("notes.txt", "only words"));
  ASSERT_TRUE(browser_->wait("document.querySelector('#alerts .alert') !== null"));
  const json found = browser_->script(R"js(
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const under = (node) => {
      for (; node; node = node.parentElement) {
        const c = numbers(getComputedStyle(node).backgroundColor);
        if (c.length < 4 || c[3] === 1) return c;
      }
      return [255, 255, 255];
    };
    const poor = [];
    let checked = 0;
    for (const node of document.querySelectorAll('body *')) {
      const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
      if (!own || !node.checkVisibility({visibilityProperty: true}) || node.closest('.viewer, .hidden, :disabled, option, .skip')) continue;
      const a = luminance(numbers(getComputedStyle(node).color)), b = luminance(under(node));
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      ++checked;
      if (contrast < 4.5) poor.push(`${node.id || node.className || node.tagName} ${contrast.toFixed(2)}`);
    }
    return {poor, checked, page: luminance(under(document.body))};)js");
  EXPECT_EQ(found["poor"], json::array());
  EXPECT_GT(found["checked"].get<int>(), 30);
  if (GetParam())
    EXPECT_LT(found["page"].get<double>(), 0.1);
  else
    EXPECT_GT(found["page"].get<double>(), 0.8);
}
INSTANTIATE_TEST_SUITE_P(, PageColours, testing::Bool(),
                         [](const auto& param) { return param.param ? "Dark" : "Light"; });

// Nothing but the document itself may run or be loaded.
TEST_F(PageAccess, PolicyHoldsOffWhatIsNotOfThePage) {
  GPEN_NEEDS_BROWSER();
  expected_complaint_ = "Content Security Policy";
  open_ready_page();
  const json ran = browser_->script(
      "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
      "const style = document.createElement('style'); style.textContent = 'body { opacity: 0.5 }'; "
      "document.body.append(style);"
      "return [window.ran === 1, getComputedStyle(document.body).opacity]");
  EXPECT_EQ(ran, (json{false, "1"}));
}

}  // namespace
}  // namespace gpen::test
