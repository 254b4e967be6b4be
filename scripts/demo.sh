#!/usr/bin/env bash
# One run of the pipeline on the embedded database, told step by step. Called by `make run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

database=iotpipe.db
# The URL is given here, so that a DATABASE_URL meant for something else is left alone.
iotpipe=("${CARGO_TARGET_DIR:-target}/release/iotpipe" --database-url "sqlite://$database")
read -r -a sample <<<"${SAMPLE:---devices 3 --rows 5000 --files 2 --error-rate 0.02 --seed 42}"

title() { printf '\n== %s\n' "$*"; }
files_in() { find "$1" -type f ! -name .gitkeep -print 2>/dev/null; }

# One line per broken rule. A quoted field may hold commas, quotes and line breaks, so the quotes are walked through.
broken_rules() {
    [ -d quarantine ] || return 0
    find quarantine -type f -name '*.reasons.csv' -exec cat {} + 2>/dev/null | LC_ALL=C awk '
        { record = open ? record "\n" $0 : $0; open = gsub(/"/, "\"", record) % 2 }
        open { next }
        {
            n = 1; split("", field); quoted = 0
            pieces = split(record, piece, ",")
            for (i = 1; i <= pieces; i++) {
                field[n] = quoted ? field[n] "," piece[i] : piece[i]
                quoted = gsub(/"/, "\"", field[n]) % 2
                if (!quoted) n++
            }
        }
        field[1] == "line" { for (i in field) if (field[i] == "rule") rule = i; next }
        { print field[rule] }'
}

if [ -z "$(files_in data)" ] && [ ! -e "$database" ]; then
    title "data/ is empty: writing a sample with known defects"
    echo "iotpipe generate ${sample[*]}"
    "${iotpipe[@]}" generate "${sample[@]}"
fi

title "iotpipe run"
code=0
summary=$("${iotpipe[@]}" --output json run | tail -n 1) || code=$?
if [ "$code" -ne 0 ]; then
    echo "iotpipe run ended with exit code $code; what it said stands above."
elif [[ $summary == *'"files":0,'* ]]; then
    echo "Nothing new: nothing was loaded. What earlier runs loaded is in the database, each row once."
    echo "For more: drop a CSV file into data/, or call make sample, and then make run again."
    [ -z "$(files_in data)" ] || echo "The files that are still in data/ wait; the status below says why."
fi

title "iotpipe status"
"${iotpipe[@]}" status || code=$?

title "Quarantine: broken rules, all runs so far (a row may break several)"
rules=$(broken_rules | sort | uniq -c | sort -k 1,1nr -k 2)
echo "${rules:-"      0 nothing was set aside"}"

title "Where to look next"
cat <<END
quarantine/*.rejected.csv   the rows set aside, byte for byte: correct them and drop the file into data/
quarantine/*.reasons.csv    line, column, value, rule and message for each of them
processed/                  the files that are done
iotpipe.toml                the contract, once "${iotpipe[0]} init" has written it
END
if command -v sqlite3 >/dev/null 2>&1; then
    echo "SQL, for example:"
else
    echo "SQL, once the shell is installed (apt-get install sqlite3), for example:"
fi
cat <<END
  sqlite3 -box $database "SELECT device, sensor, count, avg, stddev FROM sensor_summary"
  sqlite3 -box $database "SELECT window_start, min, avg, max FROM sensor_stats WHERE sensor = 'temp' LIMIT 24"
  sqlite3 -box $database "SELECT ts, device, temp, file, line_number FROM iot_readings ORDER BY temp DESC LIMIT 5"
END
exit "$code"
