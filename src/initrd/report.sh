# shellcheck shell=sh
# What the scripts say and record.

say() {
  printf 'nixfleet: %s\n' "$1" >&2
}

# Prints $1 as a JSON string; an empty one as null.
jsonString() {
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
