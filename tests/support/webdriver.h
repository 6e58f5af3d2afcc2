// Drives a real browser: Chromium through chromedriver, by the WebDriver protocol (W3C, JSON over HTTP).
//
// A command that fails adds a test failure with the browser's words and gives an empty answer; a test goes on, so every
// wait has an end.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/background.h"

namespace gpen::test {

struct BrowserOptions {
  int width = 1280, height = 860;  // of the window's inside, CSS pixels
  bool phone = false;              // fingers instead of a mouse, two device pixels for each CSS pixel
  bool dark = false;               // prefers-color-scheme
  std::string language = "en-US";
};

class Browser {
 public:
  // Empty, or why no browser can be driven here.
  static std::string missing();

  explicit Browser(const BrowserOptions& options = {});
  ~Browser();
  bool ready() const { return !session_.empty(); }

  void open(const std::string& address);
  // A function's body; arguments[0]... are `arguments`.
  nlohmann::json script(const std::string& body, nlohmann::json arguments = nlohmann::json::array());
  // Waits until the expression is true in the page; false (and a test failure) after so many seconds.
  bool wait(const std::string& expression, double seconds = 60);

  // Of the first element that matches a CSS selector. click() and type() act as a person does: the element has to be
  // visible and in reach. A file's path typed into an <input type=file> chooses the file.
  std::string text(const std::string& selector);
  std::string attribute(const std::string& selector, const std::string& name);
  bool visible(const std::string& selector);
  void click(const std::string& selector);
  void type(const std::string& selector, const std::string& keys);
  // Keys to whatever has the focus.
  void press(const std::string& keys);
  // From the middle of an element to a point relative to it, with the button held.
  void drag(const std::string& selector, int dx, int dy);

  nlohmann::json devtools(const std::string& command, const nlohmann::json& parameters);
  void screenshot(const std::filesystem::path& file);
  // Errors and warnings of the console since the last call.
  std::vector<std::string> complaints();
  // Addresses of all requests over the network since the last call.
  std::vector<std::string> requests();

  const std::filesystem::path& downloads() const { return downloads_.path(); }
  // A file of downloads(), waited for until it is whole; false when it does not come.
  bool wait_for_download(const std::string& name, double seconds = 60);

 private:
  nlohmann::json command(const std::string& method, const std::string& path, const nlohmann::json& body = {});
  std::string find(const std::string& selector);

  TemporaryFolder downloads_, profile_;
  std::unique_ptr<BackgroundProgram> driver_;
  int port_ = 0;
  std::string session_;
};

// Keys that are not characters, for type() and press().
namespace keys {
inline const std::string kTab = "\uE004", kEnter = "\uE007", kShift = "\uE008", kSpace = "\uE00D", kPageUp = "\uE00E",
                         kPageDown = "\uE00F", kEnd = "\uE010", kHome = "\uE011", kLeft = "\uE012", kUp = "\uE013",
                         kRight = "\uE014", kDown = "\uE015";
}  // namespace keys

}  // namespace gpen::test
