// Who may ask: whoever has the key, and, where a browser asks, whose page it is.
//
// A web page of anyone can make a browser send requests to this machine. The browser keeps the answers from the page,
// but the work would be done; and a page whose name is made to lead to 127.0.0.1 (DNS rebinding) would see the answers,
// too. Browsers say where a page is from (Origin) and which name they asked (Host), and pages cannot change either.
#pragma once
#include <string>

#include "app/serve/answer.h"
#include "app/serve/options.h"

namespace gpen::serve {

// Whether only this machine can reach the address: localhost, 127.0.0.0/8, ::1.
bool is_loopback(const std::string& host);

// For requests that work or read data: unauthorized without the key, forbidden for a page of another origin that --cors
// does not name, and, without a key, on an address that only this machine reaches, for a Host that is not of it.
ApiError check_access(const httplib::Request& request, const ServeOptions& options, bool on_loopback);

}  // namespace gpen::serve
