# SPDX-License-Identifier: MIT
#
# Makes a C source of the files of pages: cmake -DOUTPUT=FILE -DFILES=LIST -P embed.cmake. Each
# becomes a text, named after it: page.css is page_asset_page_css.
file(WRITE ${OUTPUT}.new "/* Made by embed.cmake. */\n#include \"fuzzers/show/page_assets.h\"\n")
foreach(path IN LISTS FILES)
  get_filename_component(name ${path} NAME)
  string(MAKE_C_IDENTIFIER ${name} id)
  file(READ ${path} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${hex}")
  file(APPEND ${OUTPUT}.new "const char page_asset_${id}[] =\n    \"${bytes}\";\n")
endforeach()
file(RENAME ${OUTPUT}.new ${OUTPUT})
