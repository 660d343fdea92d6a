# shellcheck shell=sh
# Reads reports, which report.sh describes, and prints them as JSON.
newline='
'

# readReport NAME [FOLDER]: sets `report` to the one of this boot, or in FOLDER. It is empty where the report is missing or incomplete.
readReport() {
  report=$(cat -- "${2:-$runtime}/$1.report" 2>/dev/null) || report=''
  case $report in outcome=*"$newline"end) ;; *) report='' ;; esac
}

# field REPORT NAME: sets `value` to what it says, or to nothing. No process: this is on the way of every boot.
field() {
  value=''
  case $newline$1 in *"$newline$2="*) value=$newline$1 value=${value#*"$newline$2="} value=${value%%"$newline"*} ;; esac
}

# listed REPORT NAME: the values of a list, each on a line.
listed() {
  printf '%s\n' "$1" | sed -n "s/^$2=//p"
}

# json NAME REPORT FIELD…: a member of the JSON document. FIELD is the name of a text; or NAME:list of texts, NAME:number,
# NAME:numbers of an object whose lines have a name and a number, NAME:steps of the wipe.
json() {
  printf ',"%s":' "$1"
  report=$2
  shift 2
  [ -n "$report" ] || {
    printf null
    return
  }
  before='{'
  for form in "$@"; do
    name=${form%:*}
    printf '%s"%s":' "$before" "$name"
    before=,
    case $form in
      *:list) jsonEach '[' jsonString ']' ;;
      *:numbers) jsonEach '{' jsonMember '}' ;;
      *:steps) jsonEach '[' jsonStep ']' ;;
      *:number) field "$report" "$name" && jsonNumber "$value" ;;
      *) field "$report" "$name" && jsonString "$value" ;;
    esac
  done
  printf '}'
}

# jsonEach BEGIN FUNCTION END: all lines of the field `name`.
jsonEach() {
  printf '%s' "$1"
  listed "$report" "$name" | {
    comma=''
    while IFS= read -r line; do
      printf '%s' "$comma"
      comma=,
      "$2" "$line"
    done
  }
  printf '%s' "$3"
}

jsonMember() {
  jsonString "${1% *}"
  printf ':'
  jsonNumber "${1##* }"
}

jsonStep() {
  printf '{"name":'
  jsonString "${1% *}"
  printf ',"milliseconds":'
  jsonNumber "${1##* }"
  printf '}'
}

jsonNumber() {
  case $1 in '' | *[!0-9]*) printf null ;; *) printf '%s' "$1" ;; esac
}

# An empty text is null.
jsonString() {
  case $1 in
    '') printf null ;;
    *[!\ -~]*) printf '"%s"' "$(printf '%s' "$1" | visible | sed 's/[\\"]/\\&/g')" ;;
    *[\\\"]*) printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')" ;;
    *) printf '"%s"' "$1" ;;
  esac
}
