#include "support/webdriver.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace gpen::test {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
const char* const kElement =
    "element-6066-11e4-a52e-4f735466cecf";  // the key of a reference to an element, by the standard

template <class Condition>
bool wait_until(Condition condition, double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

std::string from_base64(const std::string& text) {
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const size_t value = std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").find(c);
    if (value == std::string::npos) break;
    bits = bits << 6 | static_cast<unsigned>(value);
    if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 255);
  }
  return bytes;
}

json capabilities(const BrowserOptions& options, const fs::path& downloads, const fs::path& profile) {
  const json arguments = {"--headless=new",
                          "--no-sandbox",  // root has none; the pages are our own
                          "--disable-dev-shm-usage",
                          "--disable-background-networking",
                          "--no-first-run",
                          "--lang=" + options.language,
                          "--user-data-dir=" + profile.string(),
                          "--window-size=" + std::to_string(options.width) + "," + std::to_string(options.height)};
  const json preferences = {{"intl.accept_languages", options.language},
                            {"download.default_directory", downloads.string()},
                            {"download.prompt_for_download", false}};
  const json logs = {{"browser", "ALL"}, {"performance", "ALL"}};
  const json chromium = {{"args", arguments}, {"prefs", preferences}};
  return {
      {"capabilities",
       {{"alwaysMatch", {{"browserName", "chrome"}, {"goog:chromeOptions", chromium}, {"goog:loggingPrefs", logs}}}}}};
}

}  // namespace

std::string Browser::missing() {
  for (const char* program : {"chromium", "chromedriver"})
    if (!is_installed(program)) return std::string(program) + " is not installed (scripts/setup --tests installs it)";
  return "";
}

Browser::Browser(const BrowserOptions& options) {
  driver_ = std::make_unique<BackgroundProgram>(std::vector<std::string>{"chromedriver", "--port=0"});
  const std::string port = driver_->wait_for_output("on port ([0-9]+)\\.", 60);
  if (port.empty()) {
    ADD_FAILURE() << "chromedriver did not start: " << driver_->output();
    return;
  }
  port_ = std::stoi(port);
  const json session = command("POST", "/session", capabilities(options, downloads_.path(), profile_.path()));
  if (!session.contains("sessionId")) return;
  session_ = "/session/" + session["sessionId"].get<std::string>();
  devtools("Emulation.setDeviceMetricsOverride", {{"width", options.width},
                                                  {"height", options.height},
                                                  {"deviceScaleFactor", options.phone ? 2 : 1},
                                                  {"mobile", options.phone}});
  if (options.phone) devtools("Emulation.setTouchEmulationEnabled", {{"enabled", true}});
  const json scheme = {{"name", "prefers-color-scheme"}, {"value", options.dark ? "dark" : "light"}};
  devtools("Emulation.setEmulatedMedia", {{"features", {scheme}}});
  devtools("Browser.setDownloadBehavior", {{"behavior", "allow"}, {"downloadPath", downloads_.path().string()}});
}

Browser::~Browser() {
  if (ready()) command("DELETE", session_);
}

json Browser::command(const std::string& method, const std::string& path, const json& body) {
  httplib::Client client("127.0.0.1", port_);
  client.set_read_timeout(120);
  const std::string text = body.is_null() ? "{}" : body.dump();
  const httplib::Result result = method == "GET"      ? client.Get(path)
                                 : method == "DELETE" ? client.Delete(path)
                                                      : client.Post(path, text, "application/json");
  if (!result) {
    ADD_FAILURE() << method << " " << path << ": " << httplib::to_string(result.error());
    return json::object();
  }
  const json answer = json::parse(result->body, nullptr, false);
  if (result->status != 200 || !answer.is_object()) {
    ADD_FAILURE() << method << " " << path << " " << text.substr(0, 300) << "\n" << result->body.substr(0, 1000);
    return json::object();
  }
  return answer.value("value", json());
}

std::string Browser::find(const std::string& selector) {
  const json element = command("POST", session_ + "/element", {{"using", "css selector"}, {"value", selector}});
  return session_ + "/element/" + (element.contains(kElement) ? element[kElement].get<std::string>() : "none");
}

void Browser::open(const std::string& address) { command("POST", session_ + "/url", {{"url", address}}); }

json Browser::script(const std::string& body, json arguments) {
  return command("POST", session_ + "/execute/sync", {{"script", body}, {"args", std::move(arguments)}});
}

bool Browser::wait(const std::string& expression, double seconds) {
  const bool came = wait_until([&] { return script("return Boolean(" + expression + ")") == true; }, seconds);
  EXPECT_TRUE(came) << "not within " << seconds << " s: " << expression;
  return came;
}

std::string Browser::text(const std::string& selector) {
  const json value = command("GET", find(selector) + "/text");
  return value.is_string() ? value.get<std::string>() : "";
}

std::string Browser::attribute(const std::string& selector, const std::string& name) {
  const json value = command("GET", find(selector) + "/attribute/" + name);
  return value.is_string() ? value.get<std::string>() : "";
}

bool Browser::visible(const std::string& selector) { return command("GET", find(selector) + "/displayed") == true; }

void Browser::click(const std::string& selector) { command("POST", find(selector) + "/click", json::object()); }

void Browser::type(const std::string& selector, const std::string& keys) {
  command("POST", find(selector) + "/value", {{"text", keys}});
}

void Browser::press(const std::string& keys) {
  const json focused = command("GET", session_ + "/element/active");
  if (!focused.contains(kElement)) return;
  command("POST", session_ + "/element/" + focused[kElement].get<std::string>() + "/value", {{"text", keys}});
}

void Browser::drag(const std::string& selector, int dx, int dy) {
  const std::string element = find(selector);
  const json origin = {{kElement, element.substr(element.rfind('/') + 1)}};
  const auto move = [](int x, int y, const json& from) {
    return json{{"type", "pointerMove"}, {"duration", 200}, {"x", x}, {"y", y}, {"origin", from}};
  };
  const json steps = {move(0, 0, origin), json{{"type", "pointerDown"}, {"button", 0}}, move(dx, dy, "pointer"),
                      json{{"type", "pointerUp"}, {"button", 0}}};
  const json pointer = {
      {"type", "pointer"}, {"id", "mouse"}, {"parameters", {{"pointerType", "mouse"}}}, {"actions", steps}};
  command("POST", session_ + "/actions", {{"actions", {pointer}}});
}

json Browser::devtools(const std::string& name, const json& parameters) {
  return command("POST", session_ + "/goog/cdp/execute", {{"cmd", name}, {"params", parameters}});
}

void Browser::screenshot(const fs::path& file) {
  const json picture = command("GET", session_ + "/screenshot");
  if (picture.is_string()) std::ofstream(file, std::ios::binary) << from_base64(picture.get<std::string>());
}

std::vector<std::string> Browser::complaints() {
  std::vector<std::string> out;
  for (const json& entry : command("POST", session_ + "/se/log", {{"type", "browser"}}))
    if (entry.value("level", "") == "SEVERE" || entry.value("level", "") == "WARNING")
      out.push_back(entry.value("message", ""));
  return out;
}

std::vector<std::string> Browser::requests() {
  std::vector<std::string> out;
  for (const json& entry : command("POST", session_ + "/se/log", {{"type", "performance"}})) {
    const json event = json::parse(entry.value("message", ""), nullptr, false);
    if (!event.is_object() || event["message"].value("method", "") != "Network.requestWillBeSent") continue;
    const std::string address = event["message"]["params"]["request"].value("url", "");
    if (address.starts_with("http") || address.starts_with("ws")) out.push_back(address);
  }
  return out;
}

bool Browser::wait_for_download(const std::string& name, double seconds) {
  const fs::path file = downloads() / name;  // it gets this name when it is whole
  const bool came = wait_until([&] { return fs::exists(file) && fs::file_size(file) > 0; }, seconds);
  EXPECT_TRUE(came) << name << " was not downloaded within " << seconds << " s";
  return came;
}

}  // namespace gpen::test
