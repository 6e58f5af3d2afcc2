// gpen serve against clients that mean harm: raw bytes on raw sockets. After each of them the server still answers.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/serve_client.h"

namespace gpen::test {
namespace {

class Socket {
 public:
  // receive_bytes: of the system's buffer; 0: its own choice.
  explicit Socket(int port, int receive_bytes = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_bytes > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  bool connected() const { return connected_; }
  // How many bytes the other side took before it hung up.
  size_t send_all(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    return sent;
  }
  void finish_sending() { shutdown(fd_, SHUT_WR); }
  // Everything until the other side closes, at most so long.
  std::string read_all(double seconds = 60) {
    std::string all;
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    for (;;) {
      const auto left = std::chrono::duration<double>(end - std::chrono::steady_clock::now()).count();
      pollfd p{fd_, POLLIN, 0};
      if (left <= 0 || poll(&p, 1, static_cast<int>(left * 1000)) <= 0) return all;
      char buffer[4096];
      const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
      if (n <= 0) return all;
      all.append(buffer, static_cast<size_t>(n));
    }
  }

 private:
  int fd_;
  bool connected_ = false;
};

class ServeHostile : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new CommandLine(GPEN_BINARY);
    server_ = new Server(
        {"-m", make_tiny_gpen(*folder_), "--device", "cpu", "-j", "1", "--max-body", "1", "--max-connections", "40"});
    ASSERT_TRUE(server_->wait_until_ready()) << server_->err();
  }
  static void TearDownTestSuite() {
    delete server_;
    delete folder_;
  }
  void TearDown() override {
    ASSERT_TRUE(server_->running()) << "the server has crashed: " << server_->err();
    EXPECT_EQ(status_of(server_->client().Get("/health")), 200);
  }
  // The first line of the answer.
  std::string answer_to(const std::string& bytes, bool finish = true) {
    Socket socket(server_->port());
    socket.send_all(bytes);
    if (finish) socket.finish_sending();
    const std::string answer = socket.read_all();
    return answer.substr(0, answer.find("\r\n"));
  }
  static std::string post(const std::string& headers, const std::string& body) {
    return "POST /api/v1/restore HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n" + body;
  }
  static std::string code(const std::string& first_line) {
    return first_line.size() > 12 ? first_line.substr(9, 3) : "";
  }

  static CommandLine* folder_;
  static Server* server_;
};
CommandLine* ServeHostile::folder_ = nullptr;
Server* ServeHostile::server_ = nullptr;

TEST_F(ServeHostile, WhatIsNotHttp) {
  EXPECT_EQ(answer_to(""), "");
  EXPECT_EQ(code(answer_to("hello\r\n\r\n")), "400");
  EXPECT_EQ(code(answer_to("GET /\r\n\r\n")), "400");
  EXPECT_EQ(code(answer_to("GET / HTTP/9.9\r\n\r\n")), "400");
  EXPECT_EQ(code(answer_to("STEAL / HTTP/1.1\r\n\r\n")), "400");
  EXPECT_EQ(code(answer_to("TRACE / HTTP/1.1\r\n\r\n")), "405");
  EXPECT_EQ(code(answer_to("CONNECT example.org:80 HTTP/1.1\r\n\r\n")), "404");
  EXPECT_EQ(code(answer_to("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), "400");
  std::string noise;
  for (uint32_t i = 0, v = 1; i < 20000; ++i) noise += static_cast<char>((v = v * 1664525u + 1013904223u) >> 24);
  answer_to(noise);
  answer_to(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + noise);  // TLS
}

TEST_F(ServeHostile, HeadsWithoutEnd) {
  // Neither a line nor a head may be of any length; nothing is answered after 32 KiB that no line ended in.
  const std::string line = "GET /" + std::string(64 << 10, 'a');
  EXPECT_NE(code(answer_to(line)), "200");
  EXPECT_EQ(code(answer_to("GET /" + std::string(20000, 'a') + " HTTP/1.1\r\n\r\n")), "414");
  EXPECT_EQ(code(answer_to("GET /" + std::string(7000, 'a') + " HTTP/1.1\r\n\r\n")), "414");
  EXPECT_EQ(code(answer_to("GET /api/v1/jobs/" + std::string(7000, 'a') + " HTTP/1.1\r\n\r\n")), "414");
  std::string many = "GET /health HTTP/1.1\r\n";
  while (many.size() < 10 << 20) many += "X-A: " + std::string(100, 'b') + "\r\n";
  EXPECT_EQ(code(answer_to(many + "\r\n")), "431");
  httplib::Client client = server_->client();
  for (const size_t size : {9000, 40000}) {  // one that is too long, and all together; not the body's limit
    const auto r = client.Get("/health", {{"X-A", std::string(size, 'b')}});
    EXPECT_EQ(status_of(r), 431) << size;
    EXPECT_NE(message_of(r).find("32768"), std::string::npos) << message_of(r);
  }
  EXPECT_EQ(status_of(client.Get("/health", {{"X-A", std::string(8000, 'b')}})), 200);
  EXPECT_EQ(code(answer_to("GET /health HTTP/1.1\r\nRange: bytes=0-" + std::string(3000, ' ') + "\r\n\r\n")), "200");
}

TEST_F(ServeHostile, RangesAndCompressionAreOff) {
  httplib::Client client = server_->client();
  std::string ranges = "bytes=0-";
  while (ranges.size() < 4000) ranges += ",0-";
  for (const std::string& range : {ranges, std::string("bytes=5-6"), std::string("bytes=-1")}) {
    const auto r = client.Get("/openapi.json", {{"Range", range}});
    EXPECT_EQ(status_of(r), 200);
    EXPECT_TRUE(body_of(r).is_object());
  }
  EXPECT_FALSE(client.Get("/", {{"Accept-Encoding", "gzip, br"}})->has_header("Content-Encoding"));
  EXPECT_EQ(status_of(client.Post("/api/v1/restore", {{"Content-Encoding", "gzip"}}, "xxxx", "image/png")), 415);
}

TEST_F(ServeHostile, LengthsThatLie) {
  EXPECT_EQ(code(answer_to(post("Content-Type: image/png\r\n", "abc"))), "411");
  const std::string benchmark =
      "POST /api/v1/benchmark HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";  // needs no body
  EXPECT_EQ(code(answer_to(benchmark, false)), "202");
  EXPECT_EQ(code(answer_to(post("Content-Length: -5\r\n", "abc"))), "400");
  EXPECT_EQ(code(answer_to(post("Content-Length: abc\r\n", "abc"))), "400");
  EXPECT_EQ(code(answer_to(post("Content-Length: 3\r\nContent-Length: 4\r\n", "abc"))), "400");
  EXPECT_EQ(code(answer_to(post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))),
            "400");
  EXPECT_EQ(code(answer_to(post("Transfer-Encoding: gzip\r\n", "abc"))), "415");
  // Refused by its head, without reading: the answer is there although nothing was sent.
  EXPECT_EQ(code(answer_to(post("Content-Length: 999999999999\r\n", ""), false)), "413");
  EXPECT_EQ(code(answer_to(post("Content-Length: 99999999999999999999999\r\n", ""), false)), "400");
  // More promised than sent.
  EXPECT_EQ(code(answer_to(post("Content-Type: image/png\r\nContent-Length: 5000\r\n", "abc"))), "400");
  // Chunks that never end, and chunks that are none.
  std::string chunks;
  for (int i = 0; i < 40; ++i) chunks += "10000\r\n" + std::string(65536, 'x') + "\r\n";
  EXPECT_EQ(code(answer_to(post("Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n", chunks))), "413");
  EXPECT_EQ(code(answer_to(post("Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"))), "400");
  EXPECT_EQ(code(answer_to(post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\nabc"))), "400");
  EXPECT_EQ(code(answer_to(post("Transfer-Encoding: chunked\r\n", "7fffffffffffffff\r\nabc"))), "400");
  // What stands behind a refused body is not taken for a request.
  Socket socket(server_->port());
  socket.send_all(
      "POST /api/v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\nGET /health "
      "HTTP/1.1\r\n\r\n");
  socket.finish_sending();
  const std::string answers = socket.read_all();
  EXPECT_EQ(answers.find("HTTP/1.1 "), answers.rfind("HTTP/1.1 ")) << answers;
  // Nor behind the body of a GET.
  Socket get(server_->port());
  get.send_all("GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\nGET /openapi.json HTTP/1.1\r\n\r\n");
  get.finish_sending();
  const std::string one = get.read_all();
  EXPECT_EQ(one.find("HTTP/1.1 "), one.rfind("HTTP/1.1 ")) << one.substr(0, 500);
}

TEST_F(ServeHostile, MultipartThatIsDamaged) {
  const auto send = [&](const std::string& type, const std::string& body) {
    return code(
        answer_to(post("Content-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n", body)));
  };
  const std::string type = "multipart/form-data; boundary=B";
  const std::string head = "Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n";
  EXPECT_EQ(send("multipart/form-data", "--B\r\n" + head + "x\r\n--B--\r\n"), "400");
  EXPECT_EQ(send("multipart/mixed; boundary=B", "--B\r\n" + head + "x\r\n--B--\r\n"), "415");
  EXPECT_EQ(send("multipart/form-data; boundary=" + std::string(200, 'b'), "x"), "400");
  EXPECT_EQ(send("multipart/form-data; boundary=\"B", "x"), "400");
  EXPECT_EQ(send(type, ""), "400");
  EXPECT_EQ(send(type, "--B"), "400");
  EXPECT_EQ(send(type, "--B\r\n"), "400");
  EXPECT_EQ(send(type, "--B--"), "400");
  EXPECT_EQ(send(type, "--B\r\n" + head), "400");
  EXPECT_EQ(send(type, "--B\r\n" + head + "data"), "400");
  EXPECT_EQ(send(type, "--B\r\n\r\ndata\r\n--B--\r\n"), "400");
  EXPECT_EQ(send(type, "--B\r\nno colon\r\n\r\ndata\r\n--B--\r\n"), "400");
  EXPECT_EQ(send(type, "--B\r\nContent-Disposition: form-data; name=\"image\r\n\r\ndata\r\n--B--\r\n"), "400");
  EXPECT_EQ(send(type, "--B\r\nX: " + std::string(100000, 'y') + "\r\n\r\ndata\r\n--B--\r\n"), "400");
  EXPECT_EQ(send(type, "--B\r\nContent-Disposition: form-data; name=\"image\"; filename=\"" + std::string(100000, 'y') +
                           "\"\r\n\r\ndata\r\n--B--\r\n"),
            "400");
  std::string parts;
  for (int i = 0; i < 5000; ++i)
    parts += "--B\r\nContent-Disposition: form-data; name=\"p" + std::to_string(i) + "\"\r\n\r\n1\r\n";
  EXPECT_EQ(send(type, parts + "--B--\r\n"), "400");
  EXPECT_EQ(send(type, "--B\r\n" + head + "not a picture\r\n--B--\r\n"), "400");  // no faces, no detector
  std::string nearly;  // every start of a boundary, none of them one
  while (nearly.size() < 500000) nearly += "\r\n--A\r\n-\r\n-B\r\n--";
  EXPECT_EQ(send(type, "--B\r\n" + head + nearly), "400");
}

// Pictures cut off at every kind of place, and with wrong bytes in them.
TEST_F(ServeHostile, DamagedPictures) {
  httplib::Client client = server_->client();
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpg, ImageFormat::bmp}) {
    const std::string good = picture_bytes(120, 90, format);
    for (size_t cut = 1; cut < good.size(); cut = cut * 3 + 1) {
      const auto r = client.Post("/api/v1/restore", form(good.substr(0, cut), {{"faces", faces_json()}}));
      EXPECT_TRUE(status_of(r) == 415 || status_of(r) == 200) << name_of(format) << " " << cut;
    }
    uint32_t v = 7;
    for (int i = 0; i < 40; ++i) {
      std::string bad = good;
      for (int k = 0; k < 5; ++k) {
        v = v * 1664525u + 1013904223u;
        bad[v % bad.size()] = static_cast<char>(v >> 16);
      }
      const int status = status_of(client.Post("/api/v1/restore", form(bad, {{"faces", faces_json()}})));
      EXPECT_TRUE(status == 200 || status == 415 || status == 413) << name_of(format) << " " << i << ": " << status;
    }
  }
}

TEST_F(ServeHostile, SdapiJson) {
  httplib::Client client = server_->client();
  const auto send = [&](const std::string& path, const std::string& body) {
    return status_of(client.Post("/sdapi/v1/" + path, body, "application/json"));
  };
  for (const char* path : {"extra-single-image", "extra-batch-images"}) {
    for (const char* body :
         {"", "{", "[]", "null", "{}", R"({"image":5})", R"({"imageList":{}})", R"({"imageList":[]})",
          R"({"imageList":[5]})", R"({"imageList":[{"data":7}]})", R"({"image":"%%%"})"})
      EXPECT_EQ(send(path, body), 400) << path << " " << body;
    EXPECT_EQ(send(path, std::string(200000, '[')), 400);
    EXPECT_EQ(send(path, "{\"image\":\"" + std::string(200000, '\\')), 400);
    EXPECT_EQ(send(path, "{\"image\":\"\xff\xfe\"}"), 400);
    // Many small values: more than a request has, said without keeping them.
    std::string keys = "{", list = R"({"imageList":[0)", nested;
    for (int i = 0; keys.size() < 900000; ++i) keys += concat("\"", i, "\":0,");
    while (list.size() < 900000) list += ",{}";
    for (int i = 0; i < 50; ++i) nested += R"({"a":)";
    const double before = server_->peak_mb();
    for (const std::string& body : {keys + "\"x\":0}", list + "]}", nested + "0" + std::string(50, '}')}) {
      const auto r = client.Post(std::string("/sdapi/v1/") + path, body, "application/json");
      EXPECT_EQ(status_of(r), 400);
      EXPECT_NE(message_of(r).find("more than 4096 values"), std::string::npos) << message_of(r);
    }
    if (!kSanitized) {
      EXPECT_LT(server_->peak_mb(), before + 10);
    }
  }
  const auto large =
      client.Post("/api/v1/benchmark", R"({"reps":3)" + std::string(5000, ' ') + "}", "application/json");
  EXPECT_EQ(status_of(large), 413);
}

// A header holds plain characters; what is more follows as RFC 5987 has it. Read as it is sent: the library's client
// decodes it.
TEST_F(ServeHostile, NamesOfDownloads) {
  httplib::Client client = server_->client();
  const std::string picture = picture_bytes(300, 260);
  const auto disposition = [&](const std::string& name) {
    const auto photo = form(picture, {{"faces", "[]"}, {"wait", "0"}}, name);
    const std::string id = body_of(client.Post("/api/v1/restore", photo)).value("id", "");
    EXPECT_EQ(wait_until_ended(client, id)["state"], "done");
    Socket socket(server_->port());
    socket.send_all("HEAD /api/v1/jobs/" + id + "/result HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const std::string answer = socket.read_all(), header = "Content-Disposition: ";
    const size_t at = std::min(answer.size(), answer.find(header) + header.size());
    return answer.substr(at, answer.find("\r\n", at) - at);
  };
  EXPECT_EQ(disposition("my photo-1_a.jpg"), "inline; filename=\"my photo-1_a_restored.png\"");
  EXPECT_EQ(disposition("\xD0\xB8\xD0\xBC\xD1\x8F.jpg"),
            "inline; filename=\"_______restored.png\"; filename*=UTF-8''%D0%B8%D0%BC%D1%8F_restored.png");
  EXPECT_EQ(disposition("a;b%.c'.jpg"),
            "inline; filename=\"a_b__c__restored.png\"; filename*=UTF-8''a%3Bb%25%2Ec%27_restored.png");
}

TEST_F(ServeHostile, SlowClientsDoNotStopTheOthers) {
  std::vector<std::unique_ptr<Socket>> slow;
  for (int i = 0; i < 30; ++i) {
    slow.push_back(std::make_unique<Socket>(server_->port()));
    ASSERT_TRUE(slow.back()->connected());
    if (i % 3 == 0) slow.back()->send_all("GET /hea");
    if (i % 3 == 1) slow.back()->send_all(post("Content-Length: 1000\r\nContent-Type: image/png\r\n", "abc"));
  }
  httplib::Client client = server_->client();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(status_of(client.Get("/health")), 200);
  EXPECT_EQ(status_of(client.Post("/api/v1/restore", form(picture_bytes(300, 260), {{"faces", faces_json()}}))), 200);
}

// Clients that ask for large answers and do not read them: what is kept for them has a limit, and is given back.
TEST_F(ServeHostile, UnreadAnswersHaveALimit) {
  Server server({"-m", make_tiny_gpen(*folder_), "--device", "cpu", "-j", "1", "--max-pixels", "4", "--max-body", "8"});
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  const auto bytes = encode_image(Image(2000, 2000), ImageFormat::png).value();
  const std::string png(bytes.begin(), bytes.end());
  const std::string id =
      body_of(client.Post("/api/v1/restore", form(png, {{"faces", "[]"}, {"wait", "0"}}))).value("id", "");
  ASSERT_EQ(wait_until_ended(client, id)["state"], "done");
  const std::string bmp = "/api/v1/jobs/" + id + "/result?format=bmp";  // 12 MB
  ASSERT_EQ(status_of(client.Get(bmp)), 200);

  std::vector<std::unique_ptr<Socket>> unread;
  for (int i = 0; i < 12; ++i) {
    unread.push_back(std::make_unique<Socket>(server.port(), 4096));
    unread.back()->send_all("GET " + bmp + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  int refused = 0;
  for (int i = 0; i < 1000 && refused == 0; ++i) {
    const auto r = client.Get(bmp);
    refused += status_of(r) == 503 && code_of(r) == "busy";
  }
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(status_of(client.Get("/health")), 200);  // small answers always find room
  EXPECT_EQ(status_of(client.Post("/api/v1/restore", form(png, {{"faces", "[]"}}))), 503);
  unread.clear();
  for (int i = 0; i < 1000 && status_of(client.Get(bmp)) != 200; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(status_of(client.Get(bmp)), 200);
}

TEST_F(ServeHostile, TooManyConnectionsAreRefusedAtOnce) {
  std::vector<std::unique_ptr<Socket>> held;
  for (int i = 0; i < 60; ++i) held.push_back(std::make_unique<Socket>(server_->port()));
  int refused = 0;
  for (auto& socket : held) refused += socket->read_all(0.05).rfind("HTTP/1.1 503", 0) == 0;
  EXPECT_GE(refused, 15);
  EXPECT_LE(refused, 60);
  held.clear();
  for (int i = 0; i < 200 && status_of(server_->client().Get("/health")) != 200; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

// Most of this at once, for a while: what was taken is given back.
TEST_F(ServeHostile, MemoryStaysFlat) {
  if (kSanitized) GTEST_SKIP() << "would measure the sanitizer";
  int done = 0;
  const auto round = [&] {
    httplib::Client client = server_->client();
    const std::string good = picture_bytes(400, 300);
    for (int i = 0; i < 10; ++i) {
      done += status_of(client.Post("/api/v1/restore", form(good, {{"faces", faces_json()}}))) == 200;
      client.Post("/api/v1/restore", form(good.substr(0, 5000), {{"faces", faces_json()}}));
      client.Post("/api/v1/restore", std::string(1 << 20, 'x'), "image/png");
      answer_to(post("Content-Length: 900000\r\nContent-Type: image/png\r\n", std::string(400000, 'x')));
      answer_to("GET /" + std::string(30000, 'a'));
    }
  };
  for (int i = 0; i < 30 && done < 60; ++i) round();
  ASSERT_GE(done, 60);
  const double before = server_->resident_mb();
  for (int i = 0; i < 4; ++i) round();
  const double after = server_->resident_mb();
  RecordProperty("resident_mb_before", static_cast<int>(before));
  RecordProperty("resident_mb_after", static_cast<int>(after));
  EXPECT_LE(after, before * 1.05 + 1) << before << " MB before";
}

}  // namespace
}  // namespace gpen::test
