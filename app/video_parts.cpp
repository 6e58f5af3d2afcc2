#include "app/video_parts.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "pipeline/file_io.h"
#include "weights/sha256.h"

namespace gpen::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostJson = size_t{1} << 30;
constexpr const char *kRun = "run.json", *kTimes = "times.json";

Status store(const fs::path& path, const Json& json) {
  const std::string text = json.dump();
  return write_file(path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// Discarded (is_discarded()) when it is missing or no JSON.
Json load(const fs::path& path) {
  const Result<std::vector<uint8_t>> bytes = read_file(path, kMostJson);
  if (!bytes.ok()) return Json(Json::value_t::discarded);
  return Json::parse(bytes->begin(), bytes->end(), nullptr, false);
}

Json to_json(const Face& face) {
  Json numbers = Json::array();
  for (const Point& p : face.landmarks) {
    numbers.push_back(p.x);
    numbers.push_back(p.y);
  }
  for (const double v : {face.box.x0, face.box.y0, face.box.x1, face.box.y1, face.score}) numbers.push_back(v);
  return numbers;
}

bool read_face(const Json& json, Face* face) {
  if (!json.is_array() || json.size() != 15) return false;
  for (const Json& v : json)
    if (!v.is_number() || !std::isfinite(v.get<double>())) return false;
  for (size_t i = 0; i < 5; ++i) face->landmarks[i] = {json[2 * i].get<double>(), json[2 * i + 1].get<double>()};
  face->box = {json[10].get<double>(), json[11].get<double>(), json[12].get<double>(), json[13].get<double>()};
  face->score = json[14].get<double>();
  return true;
}

Json to_json(const FrameObservation& seen) {
  Json faces = Json::array();
  for (const Face& face : seen.faces) faces.push_back(to_json(face));
  return Json::array({seen.cut, seen.looked, faces});
}

bool read_observation(const Json& json, FrameObservation* seen) {
  if (!json.is_array() || json.size() != 3 || !json[0].is_boolean() || !json[1].is_boolean() || !json[2].is_array())
    return false;
  seen->cut = json[0].get<bool>();
  seen->looked = json[1].get<bool>();
  for (const Json& face : json[2]) {
    seen->faces.emplace_back();
    if (!read_face(face, &seen->faces.back())) return false;
  }
  return true;
}

std::string segment_name(size_t index, const char* extension) {
  char name[32];
  std::snprintf(name, sizeof(name), "%06zu%s", index, extension);
  return name;
}

}  // namespace

VideoParts::VideoParts(const fs::path& output)
    : folder_(output.parent_path() / ("." + output.filename().string() + ".gpen-part")) {}

VideoParts::~VideoParts() {
  if (lock_ >= 0) ::close(lock_);
}

Status VideoParts::open(const Json& run) {
  std::error_code error;
  fs::create_directory(folder_, error);
  if (error) return fail(Code::io, folder_.string(), ": cannot make this folder: ", error.message());
  lock_ = ::open((folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (lock_ < 0) return fail(Code::io, folder_.string(), ": cannot write there: ", std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
    return fail(Code::io, folder_.string(), ": another run is writing this video");
  owned_ = true;
  const bool same = load(folder_ / kRun) == run;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    // Unfinished segments go in any case: an encoder that has outlived its run may still be writing to one.
    const std::string name = entry.path().filename().string();
    if (name != "lock" && (!same || name.rfind("unfinished", 0) == 0)) fs::remove_all(entry.path(), error);
  }
  if (!same) return store(folder_ / kRun, run);
  load_segments();
  return {};
}

void VideoParts::load_segments() {
  for (;;) {
    const Json json = load(folder_ / segment_name(segments_.size(), ".json"));
    if (!json.is_object() || !json.contains("file") || !json["file"].is_string() || !json.contains("bytes") ||
        !json["bytes"].is_number_unsigned() || !json.contains("seen") || !json["seen"].is_array())
      return;
    const std::string file = json["file"].get<std::string>();
    if (fs::path(file).stem() != segment_name(segments_.size(), "") || file.find('/') != std::string::npos) return;
    std::error_code error;
    if (fs::file_size(folder_ / file, error) != json["bytes"].get<uint64_t>() || error) return;
    std::vector<FrameObservation> seen(json["seen"].size());
    for (size_t i = 0; i < seen.size(); ++i)
      if (!read_observation(json["seen"][i], &seen[i])) return;
    if (seen.empty()) return;
    segments_.push_back({file, frames(), static_cast<int64_t>(seen.size())});
    seen_.insert(seen_.end(), seen.begin(), seen.end());
  }
}

bool VideoParts::load_times(VideoTimes* times) const {
  const Json json = load(folder_ / kTimes);
  if (!json.is_array() || json.size() != 6 || !json[5].is_array() || json[5].empty()) return false;
  for (size_t i = 0; i < 5; ++i)
    if (!json[i].is_number_integer() || json[i].get<int64_t>() < 1) return false;
  for (const Json& time : json[5])
    if (!time.is_number_integer()) return false;
  if (json[0] > 32767 || json[1] > 32767) return false;
  times->width = json[0].get<int>();
  times->height = json[1].get<int>();
  times->time_base = {json[2].get<int64_t>(), json[3].get<int64_t>()};
  times->last_duration = json[4].get<int64_t>();
  times->times = json[5].get<std::vector<int64_t>>();
  return times->times.size() >= seen_.size();
}

Status VideoParts::store_times(const VideoTimes& t) const {
  return store(folder_ / kTimes,
               Json::array({t.width, t.height, t.time_base.num, t.time_base.den, t.last_duration, t.times}));
}

fs::path VideoParts::next_segment(const std::string& extension) const {
  return folder_ / segment_name(segments_.size(), extension.c_str());
}

Status VideoParts::add_segment(const fs::path& file, const std::vector<FrameObservation>& seen) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(file, error);
  if (error) return fail(Code::io, file.string(), ": ", error.message());
  Json observations = Json::array();
  for (const FrameObservation& o : seen) observations.push_back(to_json(o));
  const Json json = {{"file", file.filename().string()}, {"bytes", bytes}, {"seen", observations}};
  GPEN_RETURN_IF_ERROR(store(folder_ / segment_name(segments_.size(), ".json"), json));
  segments_.push_back({file.filename().string(), frames(), static_cast<int64_t>(seen.size())});
  seen_.insert(seen_.end(), seen.begin(), seen.end());
  return {};
}

void VideoParts::remove() {
  if (!owned_) return;
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Result<Json> fingerprint(const fs::path& path) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(path, error);
  if (error) return fail(Code::io, path.string(), ": ", error.message());
  const auto changed = fs::last_write_time(path, error).time_since_epoch().count();
  std::ifstream file(path, std::ios::binary);
  std::vector<char> part(size_t{1} << 20);
  Sha256 digest;
  file.read(part.data(), static_cast<std::streamsize>(part.size()));
  digest.update(part.data(), static_cast<size_t>(file.gcount()));
  if (bytes > part.size()) {
    file.clear();
    file.seekg(static_cast<std::streamoff>(bytes - part.size()));
    file.read(part.data(), static_cast<std::streamsize>(part.size()));
    digest.update(part.data(), static_cast<size_t>(file.gcount()));
  }
  return Json{{"bytes", bytes}, {"changed", changed}, {"sha256", digest.hex_digest()}};
}

}  // namespace gpen::app
