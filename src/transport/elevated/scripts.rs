//! What the host's `/bin/sh` does as another user with files that the login user
//! may not touch. Arguments are paths, names and modes, never contents.
//!
//! Every script says what happened in lines that begin with `sshoal-`; the rest of
//! what it prints is of no interest.

/// Errors are told in English; what is made is for nobody else at first.
pub(super) const PROLOGUE: &str = r#"LC_ALL=C; export LC_ALL; umask 077
fail() { printf 'sshoal-error:%s\n' "$(printf %s "$1" | tr '\n' ' ')"; exit 1; }
try() { said=$("$@" 2>&1 >/dev/null) || fail "$said"; }
sum() {
  if command -v sha256sum >/dev/null; then sha256sum
  elif command -v shasum >/dev/null; then shasum -a 256
  elif command -v sha256 >/dev/null; then sha256
  elif command -v openssl >/dev/null; then openssl dgst -sha256 -r
  else echo none
  fi | { read -r sum rest; echo "$sum"; }
}
target() { p=$1; if [ -h "$p" ]; then p=$(readlink -f -- "$p") || p=$1; fi; }
own() {
  now=$(stat -c %u:%g -- "$1"); u=${2:-${now%:*}}; g=${3:-${now#*:}}
  u=$(id -u -- "$u" 2>/dev/null || echo "$u")
  if [ "$g" != "${now#*:}" ]; then
    g=$({ getent group "$g" || grep "^$g:" /etc/group || echo "x:x:$g"; } | head -n 1 | cut -d: -f3)
  fi
  [ "$u:$g" = "$now" ] && return 1
  try chown -- "$u:$g" "$1"
}
place() {
  if [ -d "$3" ] && [ ! -h "$3" ]; then fail "$3: Is a directory"; fi
  [ -d "$2" ] || fail "$2: No such directory"
  t=$(mktemp "$2/.sshoal-XXXXXXXXXX" 2>&1) || fail "$t"
  trap 'rm -f -- "$t"' EXIT
  { said=$(cat <"$1" 2>&1 >&3); } 3>"$t" || fail "${said:-$1: cannot be read}"
  if [ -f "$3" ] && [ ! -h "$3" ]; then
    old=$(stat -c '%u %g %a' -- "$3"); set -- "$@" $old
    own "$t" "${4:-$6}" "${5:-$7}"; mode=$8
  else own "$t" "$4" "$5"; mode=; fi
}
"#;

/// `probe PATH SIZE SUM`: what is at a path, and its hash where the size is SIZE or
/// SUM is `always`.
pub(super) const PROBE: &str = r#"target "$1"
if [ -d "$p" ]; then echo sshoal-is:directory
elif [ -f "$p" ]; then
  s=$(stat -c '%s %a %u %g' -- "$p") || fail "$p: cannot be looked at"
  h=unknown; if [ "${s%% *}" = "$2" ] || [ "$3" = always ]; then h=$(sum <"$p"); fi
  test -r "$p" || fail "$p: Permission denied"
  echo "sshoal-is:file $s $h"
elif [ -e "$p" ]; then echo sshoal-is:special
else said=$(stat -- "$p" 2>&1); case $said in
  *ermission*) fail "$said";; *) echo sshoal-is:missing;; esac
fi
"#;

/// After [`PROBE`], `… PATH SIZE SUM OWNER GROUP`: whether the directory is there, and
/// whom OWNER and GROUP mean.
pub(super) const WANTED: &str = r#"[ -d "$(dirname -- "$p")" ] || echo sshoal-orphan:
if [ -n "$4" ]; then echo "sshoal-user:$(id -u -- "$4" 2>/dev/null || echo "$4")"; fi
if [ -n "$5" ]; then
  g=$({ getent group "$5" || grep "^$5:" /etc/group || echo "x:x:$5"; } | head -n 1 | cut -d: -f3)
  echo "sshoal-group:$g"
fi
"#;

/// `install TARGET MODE OWNER GROUP PARENTS SUM NEW_MODE`: puts a copy of the file that
/// `$SSHOAL_STAGED` names in TARGET's place in one step. No process but this shell, which
/// opens it, gets to know that name.
pub(super) const INSTALL: &str = r#"src=$SSHOAL_STAGED want=$2 user=$3 grp=$4 expected=$6 new=$7
unset SSHOAL_STAGED; target "$1"; d=$(dirname -- "$p")
if [ ! -d "$d" ] && [ "$5" = yes ]; then umask 022; try mkdir -p -- "$d"; umask 077; fi
place "$src" "$d" "$p" "$user" "$grp"
try chmod "${want:-${mode:-$new}}" "$t"
if [ -n "$expected" ]; then
  found=$(sum <"$t"); case $found in none) ;; "$expected") echo sshoal-verified:yes;;
  *) echo "sshoal-damaged:$found"; exit 1;; esac
fi
try mv -f -- "$t" "$p"; trap - EXIT
echo sshoal-done:
"#;

/// `adjust TARGET MODE OWNER GROUP`: for content that is there already.
pub(super) const ADJUST: &str = r#"target "$1"; changed=no; was=$(stat -c %a -- "$p")
if [ -n "$3$4" ] && own "$p" "$3" "$4"; then changed=yes; fi
if [ "$(stat -c %a -- "$p")" != "${2:-$was}" ]; then try chmod "${2:-$was}" "$p"; changed=yes; fi
echo "sshoal-done:$changed"
"#;

/// `graft SOURCE TARGET OWNER GROUP PARENTS EACH`: makes what SOURCE contains what TARGET
/// contains, each file in one step.
pub(super) const GRAFT: &str = r#"BODY=$6; export BODY; dst=${2%/}; dst=${dst:-/}
if [ ! -d "$dst" ]; then
  above=$(dirname -- "$dst")
  if [ ! -d "$above" ] && [ "$5" = yes ]; then umask 022; try mkdir -p -- "$above"; umask 077; fi
  [ -d "$above" ] || fail "$above: No such directory"
  [ -e "$dst" ] && fail "$dst: Not a directory"
fi
case $dst in /*) ;; *) dst=$PWD/$dst;; esac
cd "$1" || fail "$1: cannot be entered"
find . -exec /bin/sh -c "$BODY" sh "$dst" "$3" "$4" {} +
"#;

/// What [`GRAFT`] does with each entry, its last argument.
pub(super) const GRAFT_EACH: &str = r#"root=$1 user=$2 grp=$3; shift 3; new=0 same=0
swap() { mv -fT -- "$1" "$2" 2>/dev/null || { [ -h "$2" ] && rm -f -- "$2"; try mv -f -- "$1" "$2"; }; }
for e do
  to=$root/${e#.}; [ "$e" = . ] && to=$root || to=$root/${e#./}
  if [ -h "$e" ]; then
    l=$(readlink -- "$e"; echo x); old=$(readlink -- "$to" 2>/dev/null; echo x)
    if [ "$l" = "$old" ]; then same=$((same+1)); continue; fi
    if [ -d "$to" ] && [ ! -h "$to" ]; then fail "$to: Is a directory"; fi
    l=${l%x}; l=${l%?}
    t=$(dirname -- "$to")/.sshoal-$$-$new; try ln -s -- "$l" "$t"
    if [ -n "$user$grp" ]; then try chown -h -- "$user${grp:+:$grp}" "$t"; fi
    swap "$t" "$to"; new=$((new+1))
  elif [ -d "$e" ]; then
    if [ -h "$to" ] && [ "$e" != . ]; then fail "$to: is in the way of a directory"; fi
    if [ ! -d "$to" ]; then
      try mkdir -- "$to"; own "$to" "$user" "$grp"; try chmod "$(stat -c %a -- "$e")" "$to"
      echo sshoal-changed:
    fi
  else
    m=$(stat -c %a -- "$e")
    if [ ! -h "$to" ] && cmp -s -- "$e" "$to"; then
      same=$((same+1))
      if [ -n "$user$grp" ] && own "$to" "$user" "$grp"; then echo sshoal-changed:; fi
      if [ "$(stat -c %a -- "$to")" != "$m" ]; then try chmod "$m" "$to"; echo sshoal-changed:; fi
      continue
    fi
    place "$e" "$(dirname -- "$to")" "$to" "$user" "$grp"
    try chmod "$m" "$t"
    if ! cmp -s -- "$e" "$t"; then echo "sshoal-damaged:$to"; exit 1; fi
    swap "$t" "$to"; trap - EXIT; new=$((new+1))
  fi
done
echo "sshoal-count:$new $same"
"#;

/// `lend SOURCE COPY USER`: gives the login user a copy of a tree to read.
pub(super) const LEND: &str = r#"[ -d "$1" ] || { [ -e "$1" ] || fail "$1: No such file or directory"; fail "$1: Not a directory"; }
try cp -R -P -p -- "$1/." "$2"
try chown -R -h -- "$3" "$2"
find "$2" -type d ! -perm -0500 -exec chmod u+rx {} +
find "$2" -type f ! -perm -0400 -exec chmod u+r {} +
echo sshoal-done:
"#;
