// A test of the web page: `gpen serve` with an analytic network, and a browser that looks at it.
//
// At the end of every test the browser must have asked nobody but that server, and its console must be without
// complaints other than the expected ones.
#pragma once
#include <algorithm>

#include "support/command.h"
#include "support/serve_process.h"
#include "support/webdriver.h"

namespace gpen::test {

inline const char* const kDetector = "weights/retinaface_mobilenet0.25_zip.pth";  // of the shared data

class PageTest : public testing::Test {
 protected:
  std::unique_ptr<ServeProcess> server_;
  std::unique_ptr<Browser> browser_;
  std::string address_;
  std::string expected_complaint_;  // console messages that contain this are part of the test

  // First line of a test: starts both and opens the page. more: further arguments of `gpen serve`.
  void open_page(const std::vector<std::string>& more = {}, const BrowserOptions& options = {}) {
    std::vector<std::string> arguments = {"-m", "sharpen"};
    if (std::find(more.begin(), more.end(), "--size") == more.end())
      arguments.insert(arguments.end(), {"--size", "256"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    server_ = std::make_unique<ServeProcess>(GPEN_BINARY, arguments);
    ASSERT_GT(server_->port(), 0) << server_->err();
    address_ = "http://127.0.0.1:" + std::to_string(server_->port());
    browser_ = std::make_unique<Browser>(options);
    ASSERT_TRUE(browser_->ready());
    browser_->requests();  // forgets those of the browser's own first page
    browser_->open(address_ + "/");
  }
  // ... and waits until it knows what the server has.
  void open_ready_page(const std::vector<std::string>& more = {}, const BrowserOptions& options = {}) {
    open_page(more, options);
    if (HasFatalFailure()) return;
    browser_->wait("document.querySelectorAll('input[name=size]').length > 0");
  }

  void TearDown() override {
    if (browser_ == nullptr || !browser_->ready()) return;
    if (HasFailure()) {
      const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
      const auto file = std::filesystem::temp_directory_path() / ("gpen_page_" + name + ".png");
      browser_->screenshot(file);
      std::cerr << "The page as it looked: " << file << "\nThe server:\n" << server_->err();
    }
    for (const std::string& complaint : browser_->complaints())
      if (expected_complaint_.empty() || complaint.find(expected_complaint_) == std::string::npos)
        ADD_FAILURE() << "console: " << complaint;
    for (const std::string& asked : browser_->requests())
      EXPECT_EQ(asked.rfind(address_ + "/", 0), 0u) << "a request to somebody else: " << asked;
  }

  void choose(const std::filesystem::path& file) { browser_->type("#file", file.string()); }
  std::filesystem::path file_of(const std::string& name, const std::string& bytes) {
    write_text(folder_ / name, bytes);
    return folder_ / name;
  }
  bool wait_for_state(const std::string& text, double seconds = 120) {
    return browser_->wait("document.getElementById('state').textContent.includes('" + text + "')", seconds);
  }
  const TemporaryFolder folder_;
};

}  // namespace gpen::test

// First line of a test of the page: skipped where there is no browser.
#define GPEN_NEEDS_BROWSER() \
  if (const std::string why = ::gpen::test::Browser::missing(); !why.empty()) GTEST_SKIP() << why
