#!/bin/sh
# The smallest program that drives a modem: three commands, each read up to its final result code.
stty -F "$1" raw -echo
exec 3<>"$1"
for command in AT AT+CSQ AT+NOSUCH; do
    printf '%s\r' "$command" >&3
    while read -r line <&3; do
        case $line in OK* | ERROR* | "+CME ERROR"*) break ;; esac
    done
done
