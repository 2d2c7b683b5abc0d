#!/bin/sh
# Asks a modem for its signal until that fails.
stty -F "$1" raw -echo
exec 3<>"$1"
while printf 'AT+CSQ\r' >&3; do
    while :; do
        read -r line <&3 || exit 0
        case $line in OK* | ERROR* | "+CME ERROR"*) break ;; esac
    done
    sleep 0.2
done
