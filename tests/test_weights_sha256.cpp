// SHA-256 against the examples of FIPS 180-4 and NIST's test vectors.
#include "weights/sha256.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/shared_data.h"

namespace gpen {
namespace {

std::string digest(const std::string& text) {
  Sha256 sum;
  sum.update(text.data(), text.size());
  return sum.hex_digest();
}

TEST(Sha256, NistVectors) {
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
                   "mnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(digest(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(digest("\xbd"), "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
  EXPECT_EQ(digest("\xc9\x8c\x8e\x55"), "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504");
  EXPECT_EQ(digest(std::string(55, '\0')), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
  EXPECT_EQ(digest(std::string(56, '\0')), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
  EXPECT_EQ(digest(std::string(57, '\0')), "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785");
  EXPECT_EQ(digest(std::string(64, '\0')), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
}

TEST(Sha256, PiecesDoNotMatter) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  const std::string whole = digest(text);
  for (size_t piece = 1; piece < 140; ++piece) {
    Sha256 sum;
    for (size_t at = 0; at < text.size(); at += piece) sum.update(text.data() + at, std::min(piece, text.size() - at));
    ASSERT_EQ(sum.hex_digest(), whole) << piece;
  }
}

TEST(Sha256, Files) {
  const test::TemporaryFolder folder;
  const std::string content(3000001, 'x');
  std::ofstream(folder / "f", std::ios::binary) << content;
  EXPECT_EQ(*sha256_of_file(folder / "f"), digest(content));
  EXPECT_EQ(sha256_of_file(folder / "none").status().code(), Code::io);
  EXPECT_EQ(sha256_of_file(folder.path()).status().code(), Code::io);
}

}  // namespace
}  // namespace gpen
