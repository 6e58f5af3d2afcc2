// The directory of a zip file whose members are stored uncompressed, as PyTorch writes them. Everything the directory
// claims is checked against the file before it is used; nothing is ever inflated.
#pragma once
#include <map>
#include <string>

#include "convert/byte_reader.h"
#include "runtime/status.h"

namespace gpen {

class ZipArchive {
 public:
  // `file` must outlive the archive. Code::model with the reason: no directory, a member that lies outside the file, is
  // compressed, encrypted, spread over disks or listed twice.
  static Result<ZipArchive> open(Bytes file);

  struct Member {
    Bytes data;  // inside the file
    uint32_t crc = 0;
  };
  const std::map<std::string, Member, std::less<>>& members() const { return members_; }
  // The member's bytes after its checksum has been compared. Code::model when missing or damaged.
  Result<Bytes> read(const std::string& name) const;

 private:
  std::map<std::string, Member, std::less<>> members_;
};

}  // namespace gpen
