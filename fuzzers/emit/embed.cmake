# SPDX-License-Identifier: MIT
#
# Makes a C file of the pieces in a folder prelude/: PREFIX and the name, each its text without the
# licence line. HEADER declares them.
#   cmake -DOUTPUT=FILE -DPIECES=FILE,FILE... -DPREFIX=emit_piece_ -DHEADER=FILE -P embed.cmake
string(REPLACE "," ";" files "${PIECES}")
set(text "/* Made by embed.cmake. */\n#include \"${HEADER}\"\n")
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} piece)
  string(REGEX REPLACE "^[^\n]*SPDX[^\n]*\n" "" piece "${piece}")
  string(REPLACE "\\" "\\\\" piece "${piece}")
  string(REPLACE "\"" "\\\"" piece "${piece}")
  string(REPLACE "\n" "\\n\"\n    \"" piece "${piece}")
  string(APPEND text "\nconst char ${PREFIX}${name}[] =\n    \"${piece}\";\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
