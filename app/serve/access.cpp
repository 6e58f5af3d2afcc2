#include "app/serve/access.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "app/serve/base64.h"

namespace gpen::serve {
namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Takes as long for a wrong key as for the right one.
bool same_key(const std::string& a, const std::string& b) {
  unsigned char difference = a.size() != b.size();
  for (size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i] ^ b[b.empty() ? 0 : i % b.size()]);
  return difference == 0;
}

// How a request has shown the key. A browser adds Basic by itself once it knows the password, whoever's page asks;
// for the other ways a page must know the key.
enum class Shown { no, basic, knowingly };

Shown shown_key(const httplib::Request& request, const std::string& key) {
  if (same_key(request.get_header_value("X-Api-Key"), key)) return Shown::knowingly;
  // What <img> and EventSource ask for cannot carry headers.
  if (request.method == "GET" && same_key(request.get_param_value("key"), key)) return Shown::knowingly;
  const std::string text = request.get_header_value("Authorization");
  const size_t space = text.find(' ');
  if (space == std::string::npos) return Shown::no;
  const std::string scheme = lower_case(text.substr(0, space));
  const std::string rest = text.substr(std::min(text.size(), text.find_first_not_of(' ', space)));
  if (scheme == "bearer") return same_key(rest, key) ? Shown::knowingly : Shown::no;
  std::string user_and_password;
  if (scheme != "basic" || !from_base64(rest, &user_and_password)) return Shown::no;
  const size_t colon = user_and_password.find(':');
  if (colon == std::string::npos || !same_key(user_and_password.substr(colon + 1), key)) return Shown::no;
  return Shown::basic;
}

// Whether a page of `origin` is from the place that `host` names. The scheme may differ: a proxy may speak TLS for us.
bool same_place(const std::string& origin, const std::string& host) {
  for (const auto& [scheme, port] : {std::pair<std::string, std::string>{"http://", ":80"}, {"https://", ":443"}}) {
    if (origin.rfind(scheme, 0) != 0) continue;
    const auto without_port = [&port = port](const std::string& text) {
      const bool ends = text.size() > port.size() && text.compare(text.size() - port.size(), port.size(), port) == 0;
      return lower_case(ends ? text.substr(0, text.size() - port.size()) : text);
    };
    return without_port(origin.substr(scheme.size())) == without_port(host);
  }
  return false;  // "null" and others, which anybody can have
}

// "name:80", "[::1]:80": without the port and the brackets. Empty: neither.
std::string name_in(const std::string& host) {
  const bool bracketed = !host.empty() && host.front() == '[';
  const size_t end = bracketed ? host.find(']') : std::min(host.size(), host.find(':'));
  if (end == std::string::npos) return {};
  const std::string port = host.substr(bracketed ? end + 1 : end);
  const bool digits =
      std::all_of(port.begin() + !port.empty(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!port.empty() && (port.front() != ':' || !digits)) return {};
  return bracketed ? host.substr(1, end - 1) : host.substr(0, end);
}

ApiError check_origin(const std::string& origin, const std::string& host, const ServeOptions& options) {
  const bool allowed = !options.cors.empty() && (options.cors == "*" || lower_case(options.cors) == lower_case(origin));
  if (allowed || same_place(origin, host)) return {};
  return ApiError::forbidden("pages of " + origin.substr(0, 100) +
                             " may not use this server; its option --cors allows an origin");
}

// A name that --cors names belongs to somebody whose pages may ask anyway.
ApiError check_host(const std::string& host, const ServeOptions& options) {
  if (is_loopback(name_in(host)) || options.cors == "*" || same_place(options.cors, host)) return {};
  return ApiError::forbidden("this server is for its own machine, as localhost or 127.0.0.1, not as " +
                             host.substr(0, 100) + "; behind a proxy give it an --api-key, or --cors with its origin");
}

}  // namespace

bool is_loopback(const std::string& host) {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1)
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
  return lower_case(host) == "localhost";
}

ApiError check_access(const httplib::Request& request, const ServeOptions& options, bool on_loopback) {
  const bool keyed = !options.api_key.empty();
  const Shown shown = keyed ? shown_key(request, options.api_key) : Shown::no;
  if (keyed && shown == Shown::no) return ApiError::unauthorized("an API key is needed");
  if (shown == Shown::knowingly) return {};
  const std::string host = request.get_header_value("Host");
  if (request.has_header("Origin")) {
    if (ApiError e = check_origin(request.get_header_value("Origin"), host, options)) return e;
  }
  // No page has the key under another name. Browsers always send a Host.
  if (!keyed && on_loopback && request.has_header("Host")) return check_host(host, options);
  return {};
}

}  // namespace gpen::serve
