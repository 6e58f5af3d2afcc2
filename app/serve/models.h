// Which networks requests may choose from, and those that a device has loaded.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/serve/answer.h"
#include "app/serve/options.h"
#include "pipeline/models.h"
#include "pipeline/restore.h"

namespace gpen::serve {

struct MenuDevice {
  std::string name;  // "cpu", "cuda:0"
  bool is_default = false;
  std::vector<Precision> precisions;
};

// What the server offers, found when it starts. Model names are those of `gpen restore -m`.
struct Menu {
  std::map<int, std::string> gpens;  // by the side of the faces
  int default_size = 0;
  std::string detector, parser;          // empty: none
  std::map<int, std::string> upscalers;  // by their factor
  int default_upscale = 0;               // 0: none
  std::vector<MenuDevice> devices;       // the default ones first
  Precision default_precision = Precision::fp32;
  std::string not_trained;         // what to say with every result of a network that stands in for a trained one
  std::vector<std::string> notes;  // for people

  const MenuDevice* find_device(const std::string& name) const;  // empty: the first default one
};
// Looks at the files' shapes only. Code::model when a named model is missing or is another network, Code::usage when
// sizes contradict it, Code::device.
Result<Menu> find_menu(const ServeOptions& options);
// The devices that --device `option` stands for. Named ones share the jobs; auto stands for the first usable one, which
// is the default, and for all others that `open` says can be opened; those that cannot become notes. listed: by index.
// Code::device when a named one is not there.
Result<std::vector<MenuDevice>> menu_devices(const std::string& option, const std::vector<DeviceInfo>& listed,
                                             const std::function<Status(int index)>& open,
                                             std::vector<std::string>* notes);
// As GET /api/v1/models answers it, without limits and version.
Json to_json(const Menu& menu);

// The networks of one device, loaded when they are first used; those that were not used for longest go when the bytes
// of their weights exceed the limit. Used by one thread.
class ModelCache {
 public:
  ModelCache(const Menu& menu, size_t limit_bytes) : menu_(menu), limit_(limit_bytes) {}

  struct Wanted {
    int size = 0;     // of the GPEN; 0: none
    int upscale = 0;  // 0: none
    bool detector = false, parser = false;
  };
  // Code::model when there is no such model, Code::memory when it does not fit.
  Result<Models> get(const Wanted& wanted, const Processor& where);

  size_t bytes() const;
  size_t count() const { return entries_.size(); }

 private:
  struct Entry {
    std::shared_ptr<void> network;
    size_t bytes = 0;
    uint64_t used = 0;
  };
  template <class Net>
  Status load(const std::string& kind, const std::string& model, int side, const Processor& where,
              std::shared_ptr<Net>* network);
  // Forgets what this get() does not need until `limit` holds the rest.
  void shrink(size_t limit);

  const Menu& menu_;
  const size_t limit_;
  std::map<std::string, Entry> entries_;
  uint64_t now_ = 0;
};

}  // namespace gpen::serve
