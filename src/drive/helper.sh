#!/bin/sh
# helper: does one job on a host, at most once, and answers what came of it.
#
# The controller's host driver sends this text over its connection, with the job in nines_request:
# lines of NAME=VALUE in which every byte that a shell could look at is written \0ooo (host_request.c
# writes them). Nothing in a value is ever evaluated. docs/internals/host-actions.md tells the story.
#
# It runs in three ways:
#   front        at the end of the connection: fences, records, starts the job, waits, answers;
#   run job ID   the job itself, detached, in a session of its own: it outlives the connection;
#   run order ID orders the reboot, after the answer had time to leave.
#
# Whoever holds the lock on $state/turn works on this machine. The front takes it, writes the begin
# record and hands it to the job (an open file survives the front), so that a free lock says: no job
# is running. Each action has a folder $state/actions/ID:
#   request begin   on the disk before anything is done       run output process starts   of the job
#   before packages plan   what the job found                 end   the result, on the disk
set -u
set -f
umask 077
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
unset NOTIFY_SOCKET LISTEN_PID LISTEN_FDS LISTEN_FDNAMES WATCHDOG_PID WATCHDOG_USEC

root=${NINES_LAB_ROOT:-} # Where a host of the lab is a folder; else empty.
bound=                    # What is put before a command of apt: its own limit, if any.
patience_from=0           # Where the output of the last command of apt begins.
state=${NINES_STATE_DIR:-$root/var/lib/nines}
boot_id_file=${NINES_LAB_BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}
starts_max=3           # Of one job that never comes to its end.
actions_max=200        # Records kept.
kept_max=3             # Installs whose old packages are kept.
output_max=16777216    # Bytes of a job's output; past it, the last 64 KiB are left.
answer_output_max=4096 # Bytes of it that go into an answer.

# ---- small things -------------------------------------------------------------------------------

now() { # Seconds that only go forward.
    read -r now_uptime _ </proc/uptime
    echo "${now_uptime%.*}"
}

boot_id() {
    cat "$boot_id_file" 2>/dev/null
}

# field NAME: its value in the request, still encoded.
field() {
    printf '%s\n' "$nines_request" | sed -n "s/^$1=//p"
}

# with_words NAME COMMAND...: runs it with the words of that field as further arguments. A word is
# written `.word`, so that an empty one exists.
with_words() {
    words_encoded=$(field "$1")
    shift
    for word in $words_encoded; do
        word=$(printf '%b.' "${word#.}") # The dot keeps newlines at the end.
        set -- "$@" "${word%.}"
    done
    "$@"
}

# with_lines FILE COMMAND...: the same with the lines of a file.
with_lines() {
    lines_file=$1
    shift
    while read -r line; do
        set -- "$@" "$line"
    done <"$lines_file"
    "$@"
}

# one_line: text that fits into one line of a record.
one_line() {
    tr -s '\n\t' '  ' | tr -cd '\40-\176\200-\377' | cut -c 1-600
}

# keep FILE: standard input becomes that file, whole and on the disk; or else the old one stays.
keep() {
    cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}"
}

# ---- facts --------------------------------------------------------------------------------------

# versions NAME...: "a=1.0 b=", in that order; nothing after the = is not (fully) installed.
versions() {
    [ $# -gt 0 ] && command -v dpkg-query >/dev/null || return 0
    dpkg-query -W -f='${binary:Package} ${db:Status-Status} ${Version}\n' "$@" 2>/dev/null |
        awk -v asked="$*" -v native=":$(dpkg --print-architecture)" '
            {
                name = $1
                plain = length(name) - length(native)
                if (plain > 0 && substr(name, plain + 1) == native)
                    name = substr(name, 1, plain)
                if ($2 == "installed" || $2 ~ /^triggers-/)
                    version[name] = $3
            }
            END {
                count = split(asked, names, " ")
                for (i = 1; i <= count; i++)
                    printf "%s%s=%s", (i > 1 ? " " : ""), names[i], version[names[i]]
            }'
}

# candidates NAME...: in the same form, what `apt-get install --only-upgrade` would bring.
candidates() {
    apt-cache policy "$@" 2>/dev/null | awk -v asked="$*" '
        /^[^ ].*:$/ { name = substr($0, 1, length($0) - 1) }
        $1 == "Installed:" { installed = $2 }
        $1 == "Candidate:" && installed != "(none)" { version[name] = $2 }
        END {
            count = split(asked, names, " ")
            for (i = 1; i <= count; i++)
                printf "%s%s=%s", (i > 1 ? " " : ""), names[i], version[names[i]]
        }'
}

# facts PREFIX NAME...: what this machine says of itself, as lines.
facts() {
    facts_prefix=$1
    shift
    facts_reboot=no
    if [ -e "$root/run/reboot-required" ] || [ -e "$root/var/run/reboot-required" ]; then
        facts_reboot=yes
    fi
    printf "$facts_prefix%s\n" "boot_id=$(boot_id)" "kernel=$(uname -r)" "uptime_s=$(now)" \
        "reboot_required=$facts_reboot" "versions=$(versions "$@")"
}

# ---- the front: answers -------------------------------------------------------------------------

# Standard input is the result. What is printed before and after it tells an answer from a
# connection that was cut and from what a login prints.
send_answer() {
    printf 'nines-answer %s\n' "$id"
    cat
    if [ -f "$state/actions/$id/output" ]; then
        tail -c "$answer_output_max" "$state/actions/$id/output" |
            tr -cd '\11\12\40-\176\200-\377' | awk '{ print "|" $0 }'
    fi
    printf 'nines-end %s\n' "$id"
}

# quit OUTCOME SENTENCE: an answer of which no record is kept.
quit() {
    printf 'outcome=%s\nsentence=%s\n' "$1" "$(printf %s "$2" | one_line)" | send_answer
    exit 0
}

quit_recorded() {
    { printf 'recorded=%s\n' "$1"; cat "$action/end"; } | send_answer
    exit 0
}

cannot_record() {
    quit failed "cannot keep its records: cannot write in $state ($(df -P "$state" 2>/dev/null |
        awk 'NR == 2 { print $4 " KiB free" }'))"
}

# ---- the front: order and fencing ---------------------------------------------------------------

# The greatest token wins, for good.
fence() {
    token=$(field token)
    exec 8>>"$state/token.lock"
    flock -w 10 8 || quit timeout "another action holds $state/token.lock"
    seen=0
    if [ -e "$state/token" ]; then
        seen=$(cat "$state/token")
    fi
    case $seen in
    '' | *[!0-9]*) quit refused "$state/token is damaged: remove it when no other controller runs" ;;
    esac
    if [ "$token" -lt "$seen" ]; then
        quit refused "another controller has taken over (its token is $seen, this one's is $token)"
    fi
    if [ "$token" -gt "$seen" ]; then
        printf '%s\n' "$token" | keep "$state/token" || cannot_record
    fi
    exec 8>&-
}

# Also tells the other end that we live; when it is gone, the write ends us.
still_time() {
    printf 'nines-wait\n' || exit 0
    [ "$(now)" -lt "$deadline" ]
}

take_turn() {
    exec 9>>"$state/turn"
    until flock -w 2 9; do
        still_time || quit timeout "$(cat "$state/current" 2>/dev/null) is still at work"
    done
}

# Processes of a job whose own shell was killed: it has ended only when they have.
session_alive() {
    session=
    session_boot=
    if [ -e "$action/process" ]; then
        read -r session session_boot <"$action/process"
    fi
    [ -n "$session" ] && [ "$session_boot" = "$(boot_id)" ] || return 1
    (
        set +f
        cat /proc/[0-9]*/stat 2>/dev/null
    ) | awk -v session="$session" '
        { sub(/^.*\) /, "") } # Now: state, parent, group, session.
        $4 == session && $1 != "Z" { found = 1 }
        END { exit !found }'
}

wait_for_session() {
    while session_alive; do
        still_time || quit timeout "the processes of $id are still at work"
        sleep 1
    done
}

# ---- the front: records -------------------------------------------------------------------------

# The oldest records that have an end go; a folder without one is of a job that may be running.
forget_old() {
    ls -1t "$state/actions" | tail -n "+$actions_max" | while read -r old; do
        if [ -e "$state/actions/$old/end" ]; then
            rm -rf "$state/actions/$old"
        fi
    done
}

write_begin() {
    mkdir -p "$action" &&
        printf '%s\n' "$nines_request" | keep "$action/request" &&
        nines_text | keep "$action/run" &&
        { printf '%s\n' "verb=$verb" "token=$token" "boot_id=$(boot_id)" \
            "time=$(date -u +%Y-%m-%dT%H:%M:%SZ)"; } | keep "$action/begin" &&
        sync "$state/actions"
}

without_pace() { # A job is the same whatever its token and timeout.
    grep -v -e '^token=' -e '^timeout_s='
}

begin() {
    if [ ! -e "$action/begin" ]; then
        forget_old
        write_begin || cannot_record
    elif [ "$(printf '%s\n' "$nines_request" | without_pace)" != \
        "$(without_pace <"$action/request")" ]; then
        quit refused "$id is the name of another job"
    fi
    echo "$id" >"$state/current"
}

# facts_after: of the packages that the job names; of those that changed when it names none.
facts_after() {
    if [ -n "$(field packages)" ]; then
        with_words packages facts after.
    else
        with_lines "$action/packages" facts after.
    fi
}

# end OUTCOME EXIT SENTENCE: the record of the result.
end() {
    {
        printf '%s\n' "outcome=$1" "exit_status=$2" "sentence=$(printf %s "$3" | one_line)" \
            "put_back_possible=$put_back"
        cat "$action/before"
        facts_after
    } | keep "$action/end"
}

# note_before: as things were before the job changed any. Written once, whatever happens after.
note_before() {
    if [ ! -e "$action/packages" ]; then
        with_words packages printf '%s\n' | sed '/^$/d' >"$action/packages"
    fi
    if [ -e "$action/plan" ]; then
        cut -d ' ' -f 1 "$action/plan" | cat "$action/packages" - | awk '!seen[$0]++' |
            keep "$action/packages"
    fi
    [ -e "$action/before" ] ||
        with_lines "$action/packages" facts before. | keep "$action/before"
}

# ---- the front ----------------------------------------------------------------------------------

# A job may find a lock free and no end: it was never started, or its shell was killed, or the
# machine went down. It is started again, and looks by itself at what is done already.
start_job() {
    wait_for_session
    boot_id >>"$action/starts"
    if [ "$(wc -l <"$action/starts")" -gt "$starts_max" ]; then
        note_before && end failed 0 "was begun $starts_max times and never came to an end" ||
            cannot_record
        quit_recorded no
    fi
    setsid sh "$action/run" job "$id" </dev/null >>"$action/output" 2>&1 9>&9 &
    exec 9>&-
}

dpkg_at_work() {
    command -v apt-get >/dev/null || return 1
    apt-get -q -o DPkg::Lock::Timeout=1 check 2>&1 9>&- | grep -q '^E: Could not get lock'
}

# A reboot is done when the boot_id is another one. Until then it is ordered (again): an order that
# comes twice does what one does, and run_order() looks at the boot_id once more.
order_reboot() {
    if ! grep -qx "boot_id=$(boot_id)" "$action/begin"; then
        note_before && end ok 0 "" || cannot_record
        quit_recorded no
    fi
    while dpkg_at_work; do
        still_time || quit timeout "not rebooted: apt or dpkg is at work"
    done
    note_before || cannot_record
    setsid sh "$action/run" order "$id" </dev/null >>"$action/output" 2>&1 9>&- &
    {
        printf '%s\n' outcome=ok "sentence=reboot ordered"
        cat "$action/before"
        facts_after
    } | send_answer
    exit 0
}

# What an installation would bring. It needs lists as the archives have them now, so they are
# fetched, for a part of the time that there is.
look_for_candidates() {
    limit=$(($(field timeout_s) / 3))
    bound="timeout -k 2 $limit"
    : >"$action/output"
    apt update >>"$action/output" 2>&1 </dev/null
    refreshed=$?
    if [ "$(field security)" = yes ]; then
        [ "$refreshed" = 0 ] || return
        security_wanted >"$action/wanted" 2>>"$action/output" || return
        changes security <"$action/simulation" >"$action/plan"
        awk '{ new = new " " $1 "=" $2; old = old " " $1 "=" $3 }
            END { print "after.versions=" substr(old, 2); print "after.candidates=" substr(new, 2) }
            ' "$action/plan"
    elif [ "$refreshed" = 0 ]; then
        printf 'after.candidates=%s\n' "$(with_words packages candidates)"
    fi
}

answer_facts() {
    known=$(with_words packages facts after.)
    waiting=
    if { [ -n "$(field packages)" ] || [ "$(field security)" = yes ]; } &&
        command -v apt-get >/dev/null; then
        action=$(mktemp -d) || quit failed "cannot make a folder for temporary files"
        trap 'rm -rf "$action"' EXIT
        trap 'exit 1' HUP INT TERM PIPE
        waiting=$(look_for_candidates) ||
            quit failed "cannot tell what updates wait: $(apt_reason)"
    fi
    printf '%s\n' outcome=ok "$known" "$waiting" | sed '/^$/d' | send_answer
    exit 0
}

front() {
    id=$(field id)
    verb=$(field verb)
    action=$state/actions/$id
    put_back=no
    [ "$verb" != facts ] || answer_facts
    # A little after the job's own limit, so that its end is what is answered.
    deadline=$(($(now) + $(field timeout_s) + 2))
    mkdir -p "$state/actions" && touch "$state/token.lock" "$state/turn" || cannot_record
    fence
    recorded=yes
    while :; do
        take_turn
        [ ! -e "$action/end" ] || quit_recorded "$recorded"
        # One start a call: what dies at once is not to be started over and over.
        [ "$recorded" = yes ] || quit timeout "ended without a record of its end (is the disk full?)"
        recorded=no
        begin
        if [ "$verb" = reboot ]; then
            order_reboot
        fi
        start_job
    done
}

run_order() {
    sleep 1
    if grep -qx "boot_id=$(boot_id)" "$action/begin"; then
        systemctl reboot || reboot || shutdown -r now
    fi
}

# ---- the job: apt -------------------------------------------------------------------------------

# patiently COMMAND...: again while others hold a lock of apt or dpkg, for as long as the job may.
patiently() {
    patience_end=$(($(now) + limit))
    while :; do
        patience_from=$(wc -c <"$action/output")
        $bound "$@" 9>&- </dev/null
        status=$?
        [ "$status" != 0 ] && [ "$(now)" -lt "$patience_end" ] || return "$status"
        tail -c "+$((patience_from + 1))" "$action/output" |
            grep -q -e '^E: Could not get lock' -e '^E: Unable to lock' -e '^E: Unable to acquire' \
                -e '^dpkg: error: .* lock' || return "$status"
        sleep 2
    done
}

# Never asks, keeps changed config files, removes no package, waits for locks, gives up on a mirror.
apt() {
    patiently apt-get -q -y -o DPkg::Lock::Timeout="$limit" -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o APT::Update::Error-Mode=any -o Acquire::Retries=2 \
        -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}

# Why the last command of apt failed, in its own words: what dpkg says of a package, or apt's first.
apt_reason() {
    tail -c "+$((patience_from + 1))" "$action/output" | awk '
        /^E: / && reason == "" { reason = $0 }
        /^dpkg: error processing/ && package == "" {
            package = $0
            if (getline > 0)
                package = package $0
        }
        END { print package != "" ? package : reason }'
}

fail_apt() {
    end failed "$status" "$1 failed (exit status $status): $(apt_reason)"
    exit 0
}

# An interrupted dpkg is brought to an end first. That this fails must not stop the job: it may be
# the package at hand that is broken, and the version wanted what mends it.
mend() {
    if [ -n "$(dpkg --audit 2>/dev/null)" ] || [ -n "$(find "$root/var/lib/dpkg/updates" -type f 2>/dev/null)" ]; then
        patiently dpkg --configure -a --force-confdef --force-confold
    fi
}

update_lists() {
    for pause in 2 5 0; do
        apt update && return 0
        sleep "$pause"
    done
    fail_apt "apt-get update"
}

# The lines `Inst NAME [OLD] (NEW ORIGIN, ORIGIN [ARCH])` of a simulation as "NAME NEW OLD".
# With `security`: those that come from a security archive.
changes() {
    awk -v only="$1" '
        $1 == "Inst" {
            old = ""
            new = $3
            if ($3 ~ /^\[/) {
                old = substr($3, 2, length($3) - 2)
                new = $4
            }
            origins = $0
            sub(/^[^(]*\([^ ]* /, "", origins)
            sub(/ \[[^]]*\]\).*$/, "", origins)
            if (only != "security" || origins ~ /(^|, )Debian-Security:|-security(,|$)/)
                print $2, substr(new, 2), old
        }'
}

# Which security updates wait, as NAME=VERSION. Security archives are preferred to others, so that a
# newer version elsewhere does not hide theirs; what an update is held back by stays held back.
security_wanted() {
    {
        if [ -s "$root/etc/apt/preferences" ]; then
            cat "$root/etc/apt/preferences"
            printf '\n\n'
        fi
        printf '%s\n' 'Package: *' 'Pin: release l=Debian-Security' 'Pin-Priority: 990' '' \
            'Package: *' 'Pin: release a=*-security' 'Pin-Priority: 990'
    } >"$action/preferences"
    apt -s -o Dir::Etc::Preferences="$action/preferences" --with-new-pkgs upgrade \
        >"$action/simulation" || return
    changes security <"$action/simulation" | awk '{ print $1 "=" $2 }'
}

# The old packages, for put_back: from apt's cache, else from the archive while it has them.
keep_old() {
    kept=$state/packages/$id
    mkdir -p "$kept"
    ls -1t "$state/packages" | tail -n "+$((kept_max + 1))" | while read -r old; do
        rm -rf "$state/packages/$old"
    done
    archives=$(apt-config shell d Dir::Cache::archives/d | sed "s/^d='\(.*\)'\$/\1/")
    put_back=yes
    while read -r name new old; do
        [ -n "$old" ] || continue
        file=${name%:*}_$(echo "$old" | sed 's/:/%3a/g')
        find "$kept" "$archives" -maxdepth 1 -name "${file}_*.deb" | head -n 1 |
            while read -r found; do [ "${found%/*}" = "$kept" ] || cp "$found" "$kept/"; done
        [ -z "$(find "$kept" -name "${file}_*.deb")" ] || continue
        (cd "$kept" && apt download "$name=$old") || put_back=no
    done <"$action/plan"
    echo "$put_back" >"$action/put_back"
}

# check_plan: what was to be installed is.
check_plan() {
    while read -r name new old; do
        found=$(versions "$name")
        if [ "${found#*=}" != "$new" ]; then
            end failed 0 "$name is at '${found#*=}' after the installation of $new"
            exit 0
        fi
    done <"$action/plan"
}

none_installed() { # NAME...
    [ $# -gt 0 ] && [ "$(versions "$@")" = "$(printf '%s= ' "$@" | sed 's/ $//')" ]
}

at_version() { # VERSION NAME...: the specifications of apt.
    version=$1
    shift
    if [ -n "$version" ]; then
        printf "%s=$version\n" "$@"
    else
        printf '%s\n' "$@"
    fi
}

do_install() {
    mend
    update_lists
    downgrade=
    if [ "$(field security)" = yes ]; then
        wanted=$(security_wanted) || {
            status=$?
            fail_apt "apt-get --simulate upgrade"
        }
    else
        with_words packages none_installed && note_before && {
            end failed 0 "none of the packages is installed: $(with_words packages echo)"
            exit 0
        }
        version=$(field version)
        wanted=$(with_words packages at_version "$version")
        [ -z "$version" ] || downgrade=--allow-downgrades
    fi
    : >"$action/plan"
    if [ -n "$wanted" ]; then
        apt -s --no-remove --only-upgrade --no-install-recommends $downgrade install $wanted \
            >"$action/simulation" || { note_before; fail_simulated; }
        changes all <"$action/simulation" >"$action/plan"
    fi
    note_before
    if [ -s "$action/plan" ]; then
        keep_old
        apt --no-remove --only-upgrade --no-install-recommends $downgrade install $wanted ||
            fail_apt "apt-get install"
        check_plan
    fi
    [ ! -e "$action/put_back" ] || put_back=$(cat "$action/put_back")
    end ok 0 ""
}

fail_simulated() {
    cat "$action/simulation"
    fail_apt "apt-get install"
}

# "NAME=VERSION" words: those that are not so are put so. One that was not installed then ("NAME=")
# came as a dependency since, and stays: nothing old needs it gone.
do_put_back() {
    mend
    : >"$action/plan"
    : >"$action/wanted"
    for pair in $(field versions); do
        name=${pair%%=*}
        old=${pair#*=}
        if [ -z "$old" ] || [ "$(versions "$name")" = "$pair" ]; then
            continue
        fi
        echo "$name $old" >>"$action/plan"
        file=${name%:*}_$(echo "$old" | sed 's/:/%3a/g')
        found=$(find "$state/packages" -name "${file}_*.deb" 2>/dev/null | head -n 1)
        echo "${found:-$pair}" >>"$action/wanted"
    done
    note_before
    if [ -s "$action/plan" ]; then
        ! grep -qv '^/' "$action/wanted" || update_lists
        with_lines "$action/wanted" apt --no-remove --allow-downgrades --no-install-recommends \
            install || fail_apt "apt-get install"
        check_plan
    fi
    end ok 0 ""
}

# ---- the job: command and restart ---------------------------------------------------------------

# bounded WORD...: a command that is ended at the job's timeout.
bounded() {
    timeout -k 5 "$limit" "$@" 9>&-
    status=$?
    if [ "$status" = 124 ]; then
        echo "still running after $limit s, and ended"
    fi
    return "$status"
}

do_command() {
    note_before
    if [ -n "$(field check)" ] && with_words check bounded; then
        end ok 0 "its check says that it is done"
        return
    fi
    if ! with_words command bounded; then
        last=$(tail -c 2048 "$action/output" | tail -n 1)
        end failed "$status" "exit status $status${last:+: $last}"
    elif [ -n "$(field check)" ] && ! with_words check bounded; then
        end failed "$status" "its check says that it is not done (exit status $status)"
    else
        end ok 0 ""
    fi
}

# A restart that came through is asked a second later whether it holds.
restart_unit() {
    case $(systemctl is-system-running 2>/dev/null) in
    '' | offline | unknown) bounded service "${1%.service}" restart ;;
    *) bounded systemctl restart "$1" && sleep 1 && bounded systemctl is-active "$1" ;;
    esac
}

do_restart() {
    note_before
    unit=$(with_words unit printf '%s')
    if restart_unit "$unit"; then
        end ok 0 "$unit restarted"
    else
        systemctl status --no-pager --lines 20 "$unit" 2>/dev/null
        end failed "$status" "$unit did not restart (exit status $status)"
    fi
}

# ---- the job ------------------------------------------------------------------------------------

limit_output() {
    exec 9>&-
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        if [ "$(wc -c <"$action/output")" -gt "$output_max" ]; then
            tail -c 65536 "$action/output" >"$action/output.tail"
            cat "$action/output.tail" >"$action/output"
        fi
    done
}

job() {
    echo "$$ $(boot_id)" >"$action/process"
    nines_request=$(cat "$action/request")
    limit=$(field timeout_s)
    put_back=no
    status=0
    limit_output </dev/null >/dev/null 2>&1 &
    limiter=$!
    trap 'kill "$limiter"' EXIT
    DEBIAN_FRONTEND=noninteractive
    APT_LISTCHANGES_FRONTEND=none
    UCF_FORCE_CONFFOLD=1
    export DEBIAN_FRONTEND APT_LISTCHANGES_FRONTEND UCF_FORCE_CONFFOLD
    umask 022
    cd /
    case $(field verb) in
    install) do_install ;;
    put-back) do_put_back ;;
    command) do_command ;;
    restart) do_restart ;;
    *) note_before && end failed 0 "this helper does not know the job '$(field verb)'" ;;
    esac
}

id=${2-}
action=$state/actions/$id
case ${1-} in
job) job ;;
order) run_order ;;
*) front ;;
esac
