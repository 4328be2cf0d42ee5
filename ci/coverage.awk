# SPDX-License-Identifier: MIT
#
# coverage.awk: what ci/coverage has measured, against what ci/coverage-unreached explains. Reads that
# file, then lines (FILE LINE COUNT), then branches (KIND FILE LINE COLUMN NESTED-LINE NESTED-COLUMN
# TAKEN NOT); ci/coverage says what is printed.

function source_line(file, line,    text, at) {
    if (!(file in sources)) {
        sources[file] = 1
        at = 0
        while ((getline text < file) > 0) source[file, ++at] = text
        close(file)
    }
    text = source[file, line]
    sub(/^[ \t]+/, "", text)
    return text
}

# The number of the rule that says why no case reaches this, or 0.
function rule_find(file, line, side,    text, i) {
    text = source_line(file, line)
    for (i = 1; i <= rules; i++) {
        if ((rule_file[i] == file || rule_file[i] == "core/*") &&
            (rule_side[i] == "any" || rule_side[i] == side) &&
            (rule_text[i] == "*" || index(text, rule_text[i]) > 0)) {
            rule_used[i] = 1
            return i
        }
    }
    return 0
}

function side_judge(file, line, column, side, count, alone,    rule) {
    if (count > 0) {
        branches[file]++
        branches_reached[file]++
        if (alone > 0) branches_alone[file]++
        return
    }
    rule = rule_find(file, line, side)
    if (rule > 0 && rule_kind[rule] == "not counted") {
        excused[file]++
        return
    }
    branches[file]++
    if (rule > 0) explained[file]++
    print (rule > 0 ? "explained" : "branch"), file, line, column, side, source_line(file, line)
}

FNR == 1 { part++ }

part == 1 && /^not [a-z]+: / { kind = substr($0, 1, index($0, ":") - 1) }

part == 1 && /^ / {
    rules++
    rule_kind[rules] = kind
    rule = $0
    sub(/^ +/, "", rule)
    rule_whole[rules] = rule
    rule_file[rules] = substr(rule, 1, index(rule, ": ") - 1)
    rule = substr(rule, index(rule, ": ") + 2)
    rule_side[rules] = substr(rule, 1, index(rule, ": ") - 1)
    rule_text[rules] = substr(rule, index(rule, ": ") + 2)
}

part == 2 { line_count[$1 FS $2] += $3 }

part == 3 {
    key = $2 FS $3 FS $4 FS $5 FS $6
    taken[key] += $7
    not_taken[key] += $8
    if ($1 == "alone") {
        taken_alone[key] += $7
        not_alone[key] += $8
    }
}

END {
    for (key in line_count) {
        split(key, at, FS)
        lines[at[1]]++
        if (line_count[key] > 0) lines_reached[at[1]]++
        else print "line", at[1], at[2], source_line(at[1], at[2])
    }
    for (key in taken) {
        split(key, at, FS)
        if (source_line(at[1], at[2]) ~ /^ASSERT\(/) continue
        side_judge(at[1], at[2], at[3], "taken", taken[key], taken_alone[key])
        side_judge(at[1], at[2], at[3], "not", not_taken[key], not_alone[key])
    }
    for (file in lines) {
        print "file", file, lines[file], lines_reached[file] + 0, branches[file] + 0,
            branches_reached[file] + 0, branches_alone[file] + 0, explained[file] + 0,
            excused[file] + 0
        sum_lines += lines[file]
        sum_lines_reached += lines_reached[file]
        sum_branches += branches[file]
        sum_reached += branches_reached[file]
        sum_alone += branches_alone[file]
        sum_explained += explained[file]
        sum_excused += excused[file]
    }
    print "sum", "all", sum_lines + 0, sum_lines_reached + 0, sum_branches + 0, sum_reached + 0,
        sum_alone + 0, sum_explained + 0, sum_excused + 0
    for (i = 1; i <= rules; i++) if (!(i in rule_used)) print "stale", rule_whole[i]
}
