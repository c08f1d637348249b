
# The daemon counts its own crashes, once it runs. Counted here are the starts that never came so far: an interpreter
# that is gone or may not be run, libraries that are broken. A daemon that runs removes LAUNCHES.

umask 077
window=600
most=4

case "$*" in
*"--supervised systemd") stay_down=78 ;;
*) stay_down=0 ;;
esac

tell() {
    if [ "$stay_down" = 78 ]; then
        notify-send --app-name=iaip -- "$1" "$2"
    else
        osascript -e 'on run argv' -e 'display notification (item 2 of argv) with title (item 1 of argv)' \
            -e 'end run' "$1" "$2"
    fi
}

now=$(date +%s)
recent=0
if [ -f "$LAUNCHES" ]; then
    while read -r at; do
        case $at in
        '' | 0* | *[!0-9]*) ;;
        *) if [ $((now - at)) -lt $window ]; then recent=$((recent + 1)); fi ;;
        esac
    done <"$LAUNCHES"
fi

if [ $recent -ge $most ]; then
    rm -f "$LAUNCHES"
    printf '%s\n' "$DOWN" >"$STARTS"
    case $LANG in
    fr*) tell "iaip s'est arrêté et ne redémarre pas" "Son Python ne démarre pas. \`iaipctl doctor\` dit pourquoi." ;;
    *) tell "iaip has stopped and stays down" "Its Python does not start. \`iaipctl doctor\` says why." ;;
    esac
    exit $stay_down
fi

echo "$now" >>"$LAUNCHES"
export PYTHONPATH="$CODE" PYTHONSAFEPATH=1 PYTHONNOUSERSITE=1 PYTHONUNBUFFERED=1
exec "$PYTHON" -m daemon "$@"
