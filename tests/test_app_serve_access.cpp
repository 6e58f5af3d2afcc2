// gpen serve: who may ask. Keys in every way that clients send them, and pages of others in a browser of this machine.
#include <gtest/gtest.h>

#include "app/serve/access.h"
#include "app/serve/base64.h"
#include "support/serve_client.h"

namespace gpen::test {
namespace {

using serve::to_base64;

struct Asked {
  std::string listens = "127.0.0.1", key, cors;
  httplib::Headers headers;
  std::string query_key, method = "POST";
  int status() const {
    serve::ServeOptions options;
    options.host = listens;
    options.api_key = key;
    options.cors = cors;
    httplib::Request request;
    request.method = method;
    request.headers = headers;
    if (!query_key.empty()) request.params.emplace("key", query_key);
    return serve::check_access(request, options, serve::is_loopback(options.host)).http;
  }
};

TEST(ServeAccess, LoopbackAddresses) {
  for (const char* host : {"localhost", "LocalHost", "127.0.0.1", "127.9.8.7", "::1", "0:0:0:0:0:0:0:1"})
    EXPECT_TRUE(serve::is_loopback(host)) << host;
  for (const char* host : {"", "0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.org", "127.example.org", "example.org"})
    EXPECT_FALSE(serve::is_loopback(host)) << host;
}

TEST(ServeAccess, OriginsThatCannotBe) {
  for (const char* cors :
       {"https://example.org/", "https://example.org/page", "example.org", "http://", "https://", "null"}) {
    const CommandResult r = CommandLine(GPEN_BINARY)({"serve", "--cors", cors, "--port", "0"});
    EXPECT_EQ(r.code, 2) << cors;
    EXPECT_NE(r.err.find("expected an origin"), std::string::npos) << r.err;
  }
}

TEST(ServeAccess, PagesOfOthersAreRefused) {
  const auto status = [](const std::string& origin, const std::string& host, const std::string& cors = "",
                         const std::string& listens = "0.0.0.0") {
    return Asked{listens, "", cors, {{"Origin", origin}, {"Host", host}}, "", "POST"}.status();
  };
  EXPECT_EQ(status("http://evil.example", "192.168.1.2:7860"), 403);
  EXPECT_EQ(status("null", "192.168.1.2:7860"), 403);
  EXPECT_EQ(status("", "192.168.1.2:7860"), 403);
  EXPECT_EQ(status("http://192.168.1.2:8080", "192.168.1.2:7860"), 403);  // another server there
  EXPECT_EQ(status("http://192.168.1.2", "192.168.1.2:7860"), 403);
  EXPECT_EQ(status("http://192.168.1.2:7860.evil.example", "192.168.1.2:7860"), 403);
  EXPECT_EQ(status("http://192.168.1.2:7860", "192.168.1.2:7860"), 0);
  EXPECT_EQ(status("http://photos.lan", "Photos.lan:80"), 0);
  EXPECT_EQ(status("https://photos.example.org", "photos.example.org"), 0);  // a proxy speaks TLS
  EXPECT_EQ(status("https://photos.example.org", "photos.example.org:443"), 0);
  EXPECT_EQ(status("https://photos.example.org", "photos.example.org:80"), 403);
  EXPECT_EQ(status("http://localhost:7860", "localhost:7860", "", "127.0.0.1"), 0);
  EXPECT_EQ(status("http://[::1]:7860", "[::1]:7860", "", "::1"), 0);

  EXPECT_EQ(status("https://example.org", "192.168.1.2:7860", "https://example.org"), 0);
  EXPECT_EQ(status("https://other.org", "192.168.1.2:7860", "https://example.org"), 403);
  EXPECT_EQ(status("http://192.168.1.2:7860", "192.168.1.2:7860", "https://example.org"), 0);
  EXPECT_EQ(status("null", "192.168.1.2:7860", "https://example.org"), 403);
  EXPECT_EQ(status("https://other.org", "192.168.1.2:7860", "*"), 0);
  EXPECT_EQ(status("null", "192.168.1.2:7860", "*"), 0);
  EXPECT_EQ(Asked{}.status(), 0);  // neither header: no browser
}

// A name of somebody's that leads to this machine (DNS rebinding): its pages would be of the server's own origin.
TEST(ServeAccess, OtherNamesOfThisMachineAreRefused) {
  const auto status = [](const std::string& host, const std::string& listens = "127.0.0.1",
                         const std::string& cors = "", const std::string& key = "") {
    return Asked{listens, key, cors, {{"Host", host}, {"Authorization", "Basic " + to_base64("me:k")}}, "", "GET"}
        .status();
  };
  for (const char* host : {"localhost", "localhost:7860", "LOCALHOST:1", "127.0.0.1:7860", "127.3.2.1", "[::1]:7860"})
    EXPECT_EQ(status(host), 0) << host;
  for (const char* host : {"evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example", "",
                           "[::2]:7860", "192.168.1.2:7860"})
    EXPECT_EQ(status(host), 403) << host;
  EXPECT_EQ(status("evil.example:7860", "localhost"), 403);
  EXPECT_EQ(status("evil.example:7860", "::1"), 403);
  EXPECT_EQ(status("photos.lan:7860", "0.0.0.0"), 0);  // what it is called there is not known
  // Behind a proxy on this machine that passes the name on.
  EXPECT_EQ(status("photos.example.org", "127.0.0.1", "https://photos.example.org"), 0);
  EXPECT_EQ(status("evil.example", "127.0.0.1", "https://photos.example.org"), 403);
  EXPECT_EQ(status("photos.example.org", "127.0.0.1", "*"), 0);
  EXPECT_EQ(status("photos.example.org", "127.0.0.1", "", "k"), 0);
}

TEST(ServeAccess, KeysInEveryWay) {
  const auto status = [](const httplib::Headers& headers, const std::string& query = "",
                         const std::string& method = "GET") {
    return Asked{"127.0.0.1", "a:Key", "", headers, query, method}.status();
  };
  const auto authorization = [&](const std::string& value) { return status({{"Authorization", value}}); };
  EXPECT_EQ(status({}), 401);
  for (const char* scheme : {"Bearer ", "bearer ", "BEARER ", "Bearer   "})
    EXPECT_EQ(authorization(scheme + std::string("a:Key")), 0) << scheme;
  for (const char* scheme : {"Basic ", "basic ", "BASIC ", "Basic  "}) {
    for (const char* user : {"", "me", "api"}) EXPECT_EQ(authorization(scheme + to_base64(concat(user, ":a:Key"))), 0);
  }
  const std::vector<std::string> wrong_ones = {"Bearer a:key",
                                               "Bearer",
                                               "Bearer ",
                                               "a:Key",
                                               "Basic",
                                               "Basic ",
                                               "Basic a:Key",
                                               "Basic ****",
                                               "Digest a:Key",
                                               " ",
                                               "Basic " + to_base64("a:Key"),
                                               "Basic " + to_base64("me:a:key"),
                                               "Basic " + to_base64("me:"),
                                               "Basic " + to_base64("a:Key:me")};
  for (const std::string& wrong : wrong_ones) EXPECT_EQ(authorization(wrong), 401) << wrong;
  EXPECT_EQ(status({{"X-Api-Key", "a:Key"}}), 0);
  EXPECT_EQ(status({{"X-Api-Key", "a:Key"}, {"Authorization", "Basic " + to_base64("of the:proxy")}}), 0);
  EXPECT_EQ(status({}, "a:Key"), 0);
  EXPECT_EQ(status({}, "a:Key", "POST"), 401);
  // A page that knows the key may ask from anywhere; a browser adds Basic for any page.
  EXPECT_EQ(status({{"Origin", "http://evil.example"}, {"Host", "x"}, {"Authorization", "Bearer a:Key"}}), 0);
  EXPECT_EQ(
      status({{"Origin", "http://evil.example"}, {"Host", "x"}, {"Authorization", "Basic " + to_base64("me:a:Key")}}),
      403);
}

// The same over HTTP: before a body is read, and without the page and the health, which anybody may see.
TEST(ServeAccess, RequestsOfOtherPagesDoNothing) {
  const CommandLine folder(GPEN_BINARY);
  Server server({"-m", make_tiny_gpen(folder), "--device", "cpu", "-j", "1"});
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  const auto photo = form(picture_bytes(300, 260), {{"faces", faces_json()}});
  const std::string own = concat("http://127.0.0.1:", server.port());
  EXPECT_EQ(status_of(client.Post("/api/v1/restore", {{"Origin", own}}, photo)), 200);
  for (const char* origin : {"http://evil.example", "null"}) {
    const httplib::Headers headers = {{"Origin", origin}};
    const auto refused = client.Post("/api/v1/restore", headers, photo);
    EXPECT_EQ(status_of(refused), 403);
    EXPECT_EQ(code_of(refused), "forbidden");
    EXPECT_NE(message_of(refused).find(origin), std::string::npos) << message_of(refused);
    EXPECT_EQ(status_of(client.Post("/api/v1/benchmark", headers, "{}", "text/plain")), 403);
    EXPECT_EQ(status_of(client.Post("/sdapi/v1/extra-single-image", headers, "{}", "text/plain")), 403);
    for (const char* path : {"/api/v1/models", "/metrics", "/api/v1/jobs/1", "/sdapi/v1/upscalers"})
      EXPECT_EQ(status_of(client.Get(path, headers)), 403) << path;
    for (const char* path : {"/", "/health", "/openapi.json"})
      EXPECT_EQ(status_of(client.Get(path, headers)), 200) << path;
  }
  // However the address is written.
  Server short_address({"-m", "identity", "--size", "256", "--device", "cpu", "--host", "127.1"});
  ASSERT_TRUE(short_address.wait_until_ready()) << short_address.err();
  EXPECT_EQ(short_address.err().find("can be reached from other machines"), std::string::npos) << short_address.err();
  for (const char* host : {"evil.example", "[::1].evil.example", "[::1", "localhost:evil"})
    EXPECT_EQ(status_of(short_address.client().Get("/api/v1/models", {{"Host", host}})), 403) << host;
  for (const char* host : {"localhost", "localhost:7860", "127.0.0.1:7860", "[::1]:7860", "[::1]"})
    EXPECT_EQ(status_of(short_address.client().Get("/api/v1/models", {{"Host", host}})), 200) << host;
  const auto renamed = client.Get("/api/v1/models", {{"Host", "evil.example"}});
  EXPECT_EQ(status_of(renamed), 403);
  EXPECT_NE(message_of(renamed).find("evil.example"), std::string::npos) << message_of(renamed);
  EXPECT_EQ(status_of(client.Get("/api/v1/models", {{"Host", "localhost:7860"}})), 200);
  EXPECT_NE(client.Get("/metrics")->body.find("gpen_jobs_total{kind=\"restore\",state=\"done\"} 1\n"),
            std::string::npos);
}

}  // namespace
}  // namespace gpen::test
