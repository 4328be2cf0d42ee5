# SPDX-License-Identifier: MIT
#
# Makes a C file of the pieces in prelude/: emit_piece_NAME, each its text without the licence line.
#   cmake -DOUTPUT=FILE -DPIECES=FILE,FILE... -P embed.cmake
string(REPLACE "," ";" files "${PIECES}")
set(text "/* Made by embed.cmake. */\n#include \"fuzzers/emit/emit_pieces.h\"\n")
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} piece)
  string(REGEX REPLACE "^[^\n]*SPDX[^\n]*\n" "" piece "${piece}")
  string(REPLACE "\\" "\\\\" piece "${piece}")
  string(REPLACE "\"" "\\\"" piece "${piece}")
  string(REPLACE "\n" "\\n\"\n    \"" piece "${piece}")
  string(APPEND text "\nconst char emit_piece_${name}[] =\n    \"${piece}\";\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
