/* SPDX-License-Identifier: MIT
 *
 * page_assets.h: the files that pages are made of, as texts; embed.cmake makes them.
 */
#ifndef POTAD_FUZZERS_SHOW_PAGE_ASSETS_H
#define POTAD_FUZZERS_SHOW_PAGE_ASSETS_H

extern const char page_asset_page_html[];
extern const char page_asset_page_css[];
extern const char page_asset_common_js[];
extern const char page_asset_case_js[];
extern const char page_asset_trace_js[];
extern const char page_asset_schedule_js[];

#endif
