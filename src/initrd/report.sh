# shellcheck shell=sh
# What the scripts say and record.

say() {
  printf 'nixfleet: %s\n' "$1" >&2
}

# What is a character (RFC 3629), as bytes.
UTF8='[\x02-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]'
UTF8="$UTF8|\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}|[\\xf1-\\xf3][\\x80-\\xbf]{3}|\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}"

# Prints $1 as a JSON string; an empty one as null. JSON is UTF-8: of bytes that are not, a question mark tells.
jsonString() {
  case $1 in *[![:print:][:cntrl:]]*) set -- "$(printf '%s' "$1" | sed -E "s/($UTF8)|./\\1\\x01/g; s/(^|\\x01)\\x01/\\1?/g; s/\\x01//g")" ;; esac
  [ -n "$1" ] || {
    printf null
    return
  }
  rest=$1 text=''
  while [ -n "$rest" ]; do
    character=${rest%"${rest#?}"} rest=${rest#?}
    case $character in
      \\ | \") text=$text\\$character ;;
      [[:cntrl:]]) text="$text " ;;
      *) text=$text$character ;;
    esac
  done
  printf '"%s"' "$text"
}

# Prints the lines of $1 as a JSON list of strings.
jsonLines() {
  printf '['
  separator=''
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    printf '%s' "$separator"
    jsonString "$line"
    separator=,
  done <<EOF
$1
EOF
  printf ']'
}

# perform STEP: calls it, and adds the time that it takes to `steps`; meanwhile it is in `step`.
perform() {
  step=$1
  readMilliseconds
  began=$milliseconds
  "$1"
  readMilliseconds
  steps="$steps${steps:+,}{\"name\":\"$1\",\"milliseconds\":$((milliseconds - began))}"
  # shellcheck disable=SC2034 # for who sources this
  step=''
}

# /proc/uptime would do without a process too, but counts in hundredths of a second.
readMilliseconds() {
  milliseconds=0
  [ ! -r /proc/timer_list ] || {
    read -r _
    read -r _
    read -r _ _ milliseconds _
  } </proc/timer_list
  milliseconds=$((milliseconds / 1000000))
}
