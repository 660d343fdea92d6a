# shellcheck shell=sh
# What the scripts say and record.

# say TEXT: TEXT may hold what others have named.
say() {
  show "$1"
  sayShown "$shown"
}

# sayShown LINES: of text that has been shown already.
sayShown() {
  printf '%s\n' "$1" | while IFS= read -r line; do printf 'nixfleet: %s\n' "$line" >&2; done
}

# show TEXT: sets `shown` to it as one line that looks like nothing else: what has no look of its own (a line break, an
# escape sequence, a bidi override, a blank that is not one) as \n or its bytes, \x1b, and a backslash as two.
show() {
  shown=$1
  case $1 in
    *[!\ -~]*) shown=$(printf '%s' "$1" | visible 's/\\/\\\\/g') ;;
    *\\*) shown=$(printf '%s' "$1" | sed 's/\\/\\\\/g') ;;
  esac
}

# visible [SED]: a filter. Of names that end in a NUL, as find prints them with \0, it makes lines.
visible() {
  [ -n "${SHOWING:-}" ] || writeShowing
  LC_ALL=C sed -zE "${1:+$1;}$SHOWING" | tr '\0' '\n'
}

# Characters that have a look of their own, in UTF-8 (RFC 3629): none that is a control, a blank, ignored by those who
# draw it, or whatever somebody privately agreed on. The same as in src/visible.ts.
ANY='[\x80-\xbf]'
LOOKS="\\xc2[\\xa1-\\xac\\xae-\\xbf]|[\\xc3-\\xcc\\xce-\\xd7\\xd9-\\xdf]$ANY|\\xcd[\\x80-\\x8e\\x90-\\xbf]|\\xd8[\\x80-\\x9b\\x9d-\\xbf]"
LOOKS="$LOOKS|\\xe0[\\xa0-\\xbf]$ANY|\\xe1([\\x80-\\x84\\x86-\\x99\\x9b-\\x9d\\x9f\\xa1-\\xbf]$ANY|\\x85[\\x80-\\x9e\\xa1-\\xbf]"
LOOKS="$LOOKS|\\x9a[\\x81-\\xbf]|\\x9e[\\x80-\\xb3\\xb6-\\xbf]|\\xa0[\\x80-\\x8a\\x90-\\xbf])|\\xe2([\\x82-\\x9f\\xa1-\\xbf]$ANY"
LOOKS="$LOOKS|\\x80[\\x90-\\xa7\\xb0-\\xbf]|\\x81[\\x80-\\x9e\\xb0-\\xbf]|\\xa0[\\x81-\\xbf])|\\xe3([\\x81-\\x84\\x86-\\xbf]$ANY"
LOOKS="$LOOKS|\\x80[\\x81-\\xbf]|\\x85[\\x80-\\xa3\\xa5-\\xbf])|[\\xe4-\\xec]$ANY$ANY|\\xed[\\x80-\\x9f]$ANY"
LOOKS="$LOOKS|\\xef([\\xa4-\\xb7\\xb9\\xba\\xbc\\xbd]$ANY|\\xb8[\\x90-\\xbf]|\\xbb[\\x80-\\xbe]|\\xbe[\\x80-\\x9f\\xa1-\\xbf]|\\xbf[\\x80-\\xaf])"
LOOKS="$LOOKS|\\xf0([\\x90-\\x9a\\x9c\\x9e-\\xbf]$ANY$ANY|\\x9b([\\x80-\\xb1\\xb3-\\xbf]$ANY|\\xb2[\\x80-\\x9f\\xa4-\\xbf])"
LOOKS="$LOOKS|\\x9d([\\x80-\\x84\\x86-\\xbf]$ANY|\\x85[\\x80-\\xb2\\xbb-\\xbf]))"

# Sets `SHOWING` to what sed does: controls are shown first, so that two of them can then stand around each character;
# those around one that has a look are taken away, what is left is one byte, and is shown.
writeShowing() {
  SHOWING='' bytes=''
  for high in 0 1 7 8 9 a b c d e f; do
    for low in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
      case $high$low in
        00 | 7[!f]) ;;
        0a) SHOWING="$SHOWING;s/\\n/\\\\n/g" ;;
        0? | 1? | 7f) SHOWING="$SHOWING;s/\\x$high$low/\\\\x$high$low/g" ;;
        *) bytes="$bytes;s/\\x02\\x$high$low\\x03/\\\\x$high$low/g" ;;
      esac
    done
  done
  SHOWING="${SHOWING#;};s/($LOOKS)|[\\x80-\\xff]/\\x02&\\x03/g;s/\\x02([\\x80-\\xff]{2,})\\x03/\\1/g$bytes"
}

# Reports are lines of NAME=value, the outcome first, and `end`. Of a list each value has a line; what is empty has none.

# reportValue NAME TEXT
reportValue() {
  case $2 in
    '') ;;
    *[!\ -~]*) printf '%s=%s\n' "$1" "$(printf '%s' "$2" | visible)" ;;
    *) printf '%s=%s\n' "$1" "$2" ;;
  esac
}

# reportList NAME LINES
reportList() {
  while IFS= read -r line; do reportValue "$1" "$line"; done <<EOF
$2
EOF
}

# perform STEP: calls it, and adds a line with the time that it takes to `steps`; meanwhile it is in `step`.
perform() {
  step=$1
  readMilliseconds
  began=$milliseconds
  "$1"
  readMilliseconds
  steps="$steps$1 $((milliseconds - began))
"
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
