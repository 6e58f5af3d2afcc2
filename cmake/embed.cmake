# Makes files part of the program. As a script, writes OUTPUT, a C++ source that defines one string for each of FILES:
#   cmake -DOUTPUT=... -DHEADER=... "-DFILES=kName=path|kName=path" -P embed.cmake
# HEADER declares them in namespace gpen::serve.
string(REPLACE "|" ";" FILES "${FILES}")
set(text "// Made by cmake/embed.cmake.\n#include \"${HEADER}\"\n\nnamespace gpen::serve {\nnamespace {\n")
set(definitions "")
foreach(entry IN LISTS FILES)
  string(REGEX MATCH "^([^=]+)=(.*)$" matched "${entry}")
  set(name "${CMAKE_MATCH_1}")
  file(READ "${CMAKE_MATCH_2}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
  string(APPEND text "constexpr unsigned char ${name}Bytes[] = {\n${bytes}};\n")
  string(APPEND definitions
    "const std::string_view ${name}(reinterpret_cast<const char*>(${name}Bytes), sizeof(${name}Bytes));\n")
endforeach()
file(WRITE "${OUTPUT}" "${text}}  // namespace\n\n${definitions}}  // namespace gpen::serve\n")
