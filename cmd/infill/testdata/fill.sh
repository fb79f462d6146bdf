#!/usr/bin/env bash
# Fills one resource from eight processes with every kind of byte-range write, kills
# the server in the middle, sends what is missing, and checks every byte. The client
# side is curl and coreutils alone.
#
# usage: fill.sh INFILL
#
# INFILL is the infill binary. Needs bash, curl, GNU coreutils, tar and the Go tool.
# Everything is written below ${TMPDIR:-/tmp} and removed at the end: about 1 GB.
set -euo pipefail

infill=${1:?usage: fill.sh INFILL}
segment=$((8 << 20)) # bytes of a segment
workers=8

work=$(mktemp -d "${TMPDIR:-/tmp}/infill-fill.XXXXXX")
file=$work/file
server=
uploader=

die() {
	echo "fill.sh: $*" >&2
	[[ ! -s $work/log ]] || { echo "the last lines of the server's log:" && tail -n 20 "$work/log"; } >&2
	exit 1
}

cleanup() {
	[[ -z $uploader ]] || kill -KILL "$uploader" 2>/dev/null || true
	[[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT

step() { echo "fill.sh: $*"; }

# start starts the server, the second time on the port of the first, and sets server
# and url.
listen=127.0.0.1:0
start() {
	local line
	"$infill" serve --data "$work/data" --listen "$listen" >"$work/ready" 2>>"$work/log" &
	server=$!
	read -r line <"$work/ready" || die "the server did not start"
	[[ $line =~ ^infill:\ serving\ .*\ on\ (http://([^/]+)/)$ ]] || die "the server printed: $line"
	url=${BASH_REMATCH[1]}
	listen=${BASH_REMATCH[2]}
}

# header prints the value of field $1 in the response headers in file $2.
header() {
	tr -d '\r' <"$2" | awk -v name="${1,,}" 'BEGIN { FS = ": *" } tolower($1) == name { sub(/^[^:]*: */, ""); print }'
}

# head_of writes the response headers of HEAD of $1 to file $2; more arguments go to curl.
head_of() {
	curl -sS -f -I "${@:3}" -o "$2" "$1" || die "HEAD $1 was not answered"
}

# bytes prints the bytes [$1,$2) of the file.
bytes() {
	dd if="$file" bs=1M iflag=skip_bytes,count_bytes skip="$1" count="$(($2 - $1))" status=none
}

# sum prints the sha-256 of its input.
sum() { sha256sum | cut -d ' ' -f 1; }

# octets prints the octets that its arguments give as numbers.
octets() {
	local o
	for o in "$@"; do
		# shellcheck disable=SC2059 # the format is the octet
		printf "\\x$(printf %02x "$o")"
	done
}

# varint prints $1 as a variable-length integer (RFC 9000, Section 16).
varint() {
	local n=$1
	if ((n < 1 << 6)); then
		octets "$n"
	elif ((n < 1 << 14)); then
		octets $((n >> 8 | 0x40)) $((n & 255))
	else
		octets $((n >> 24 | 0x80)) $((n >> 16 & 255)) $((n >> 8 & 255)) $((n & 255))
	fi
}

# field prints a field line of application/byteranges with name $1 and value $2.
field() {
	varint ${#1}
	printf %s "$1"
	varint ${#2}
	printf %s "$2"
}

# The documents that write the ranges [$1,$2), [$3,$4) and so on.

message() { # message/byterange: one range
	printf 'Content-Type: application/x-tar\r\nContent-Range: bytes %d-%d/%d\r\n\r\n' "$1" $(($2 - 1)) "$size"
	bytes "$1" "$2"
}

boundary=infill-fill-$RANDOM$RANDOM$RANDOM$RANDOM
multipart() { # multipart/byteranges
	while (($# > 0)); do
		printf -- '--%s\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n' \
			"$boundary" "$1" $(($2 - 1)) "$size" $(($2 - $1))
		bytes "$1" "$2"
		printf '\r\n'
		shift 2
	done
	printf -- '--%s--\r\n' "$boundary"
}

known() { # application/byteranges with the lengths in front
	local range
	while (($# > 0)); do
		range="bytes $1-$(($2 - 1))/$size"
		varint 8
		varint $((1 + 13 + 1 + ${#range}))
		field content-range "$range"
		varint $(($2 - $1))
		bytes "$1" "$2"
		shift 2
	done
}

indeterminate() { # application/byteranges in chunks
	local at end
	while (($# > 0)); do
		varint 10
		field content-offset "$1;complete-length=$size"
		varint 0
		for ((at = $1; at < $2; at = end)); do
			end=$((at + (1 << 20) < $2 ? at + (1 << 20) : $2))
			varint $((end - at))
			bytes "$at" "$end"
		done
		varint 0
		shift 2
	done
}

# send writes the range [$2,$3) in the way of worker $1, and prints the status.
send() {
	local worker=$1 a=$2 b=$3 third=$((($3 - $2) / 3 + 1))
	local p=$((a + third < b ? a + third : b)) q=$((a + 2 * third < b ? a + 2 * third : b))
	local parts=("$q" "$b" "$a" "$p" "$p" "$q") # in no order
	((a < p && p < q && q < b)) || parts=("$a" "$b")
	local curl=(curl -sS -o "$work/body.$worker" -D "$work/head.$worker" -w '%{http_code}')
	local patch=("${curl[@]}" -X PATCH)
	case $worker in
	0) message "$a" "$b" | "${patch[@]}" -H 'Content-Type: message/byterange' --data-binary @- "$location" ;;
	1) message "$a" "$b" | "${patch[@]}" -H 'Content-Type: message/byterange' -H 'Prefer: transaction=persist' -T - "$location" ;;
	2) multipart "${parts[@]}" | "${patch[@]}" -H "Content-Type: multipart/byteranges; boundary=$boundary" --data-binary @- "$location" ;;
	3) known "${parts[@]}" | "${patch[@]}" -H 'Content-Type: application/byteranges' --data-binary @- "$location" ;;
	4) indeterminate "$a" "$b" | "${patch[@]}" -H 'Content-Type: application/byteranges' -H 'Prefer: transaction=persist' -T - "$location" ;;
	5) bytes "$a" "$b" | "${curl[@]}" -X PUT -H "Content-Range: bytes $a-$((b - 1))/$size" -H 'Content-Type: application/x-tar' --data-binary @- "$location" ;;
	6) bytes "$a" "$b" | "${curl[@]}" -H "Content-Range: bytes $a-$((b - 1))/*" -H 'Prefer: transaction=persist' -T - "$location" ;;
	7) { known "$a" "$p" && ((p == b)) || indeterminate "$p" "$b"; } | "${patch[@]}" -H 'Content-Type: application/byteranges' -T - "$location" ;;
	esac 2>>"$work/curl.log"
}

# work_through sends the ranges that its input names, a line each, in the way of worker
# $1, and reports each acknowledgement. It ends when the server cannot be reached. If $2
# is 1, the even workers send everything twice, as if the response had been lost.
work_through() {
	local worker=$1 again=$2 a b status times
	while read -r a b; do
		times=$((again == 1 && worker % 2 == 0 ? 2 : 1))
		while ((times-- > 0)); do
			if ! status=$(send "$worker" "$a" "$b"); then
				echo "cut $worker" >&3
				return
			fi
			echo "$status $a $b $(header Upload-Complete "$work/head.$worker")" >&3
		done
	done
}

# fill gives the ranges in the file $1, shuffled, to the workers, and notes what is
# acknowledged in $work/acknowledged. With $2 not zero the server is killed after so
# many acknowledgements, and the workers repeat themselves.
fill() {
	local ranges=$1 kill_after=$2 k what a b complete running=$workers acknowledged=0
	completed=0
	cut=0
	shuf "$ranges" >"$work/shuffled"
	for ((k = 0; k < workers; k++)); do
		{
			awk -v n="$workers" -v k="$k" 'NR % n == k' "$work/shuffled" | work_through "$k" $((kill_after > 0)) ||
				echo "failure of worker $k" >&3
			echo done >&3
		} &
	done
	while ((running > 0)); do
		read -r what a b complete <&3
		case $what in
		done) ((running--)) || true ;;
		cut) ((++cut)) ;;
		201 | 204)
			echo "$a $b" >>"$work/acknowledged"
			[[ $complete != '?1' ]] || ((++completed))
			if ((++acknowledged == kill_after)); then
				kill -KILL "$server"
				wait "$server" 2>/dev/null || true
			fi
			;;
		failure) die "worker $b failed" ;;
		*) die "a write of [$a,$b) got $what: $(cat "$work"/body.*)" ;;
		esac
	done
	((acknowledged >= kill_after)) || die "only $acknowledged writes were acknowledged"
}

# received prints the ranges in Upload-Received in the headers in file $1, a line each.
received() { header Upload-Received "$1" | tr -s '(), ' '\n' | grep . | paste -d ' ' - - || true; }

# missing prints what the ranges in its input leave of the file, in segments.
missing() {
	awk -v size="$size" -v segment="$segment" '
		function gap(a, b,   end) {
			for (; a < b; a = end) {
				end = (int(a / segment) + 1) * segment
				if (end > b) end = b
				printf "%d %d\n", a, end
			}
		}
		{ gap(at, $1); at = $2 }
		END { gap(at, size) }'
}

# Preparation: a file of at least 200 MB.
tar -C "$(go env GOROOT)" -cf "$file" .
size=$(stat -c %s "$file")
while ((size < 200 * 1000 * 1000)); do
	tar -C "$(go env GOROOT)" -c . >>"$file"
	size=$(stat -c %s "$file")
done
want=$(sum <"$file")
mkfifo "$work/ready" "$work/reports"
exec 3<>"$work/reports"
step "the file has $size bytes"

# 1. A server on an empty directory.
start

# 2. POST allocates.
status=$(curl -sS -X POST -H "Upload-Length: $size" -H 'Content-Type: application/x-tar' --data-binary '' \
	-D "$work/head" -o "$work/body" -w '%{http_code}' "${url}files/")
[[ $status == 201 ]] || die "POST got $status: $(cat "$work/body")"
location=$(header Location "$work/head")
[[ $location == http*://* ]] || location=${url%/}$location
[[ $(header Upload-Complete "$work/head") == '?0' ]] || die "POST did not say Upload-Complete: ?0"
step "allocated $location"

# 3. Eight processes fill it, and 4. the server is killed in the middle.
missing </dev/null >"$work/all"
fill "$work/all" $(($(wc -l <"$work/all") / 3))
((cut > 0)) || die "no worker noticed that the server was killed"
step "killed the server after $(wc -l <"$work/acknowledged") acknowledgements, $cut writes were cut"
start
head_of "$location" "$work/head"
[[ $(header Upload-Complete "$work/head") == '?0' ]] || die "the resource is complete too early"
[[ $(header Upload-Length "$work/head") == "$size" ]] || die "the length is lost"
received "$work/head" >"$work/received"
while read -r a b; do
	awk -v a="$a" -v b="$b" '$1 <= a && b <= $2 { found = 1 } END { exit !found }' "$work/received" ||
		die "[$a,$b) was acknowledged and is lost: $(header Upload-Received "$work/head")"
done <"$work/acknowledged"
offset=$(header Upload-Offset "$work/head")
curl -sS -f -o "$work/prefix" "$location"
[[ $(stat -c %s "$work/prefix") == "$offset" ]] || die "GET gave $(stat -c %s "$work/prefix") bytes, the offset is $offset"
cmp -n "$offset" "$work/prefix" "$file" || die "the prefix differs"
rm "$work/prefix"
link=$(header Link "$work/head" | sed -n 's/^<\([^>]*\)>.*/\1/p')
[[ $link == http*://* ]] || link=${url%/}$link
map=$(curl -sS -f "$link" | tr -d ' \n' | sed 's/.*"ranges":\[\(\[[^a-z]*\]\)*\].*/\1/')
[[ $map == "$(sed 's/\(.*\) \(.*\)/[\1,\2]/' "$work/received" | paste -s -d ,)" ]] || die "the map has $map"
step "after the restart, everything acknowledged is there: $(header Upload-Received "$work/head")"

# 5. The clients send only what is missing, so a wrong byte that was kept would show in
# the sum below. Upload-Received may leave out ranges if there are many, hence the loop.
((completed == 0)) || die "a write completed the resource too early"
all_completed=0
while [[ $(header Upload-Complete "$work/head") != '?1' ]]; do
	received "$work/head" | missing >"$work/missing"
	[[ -s $work/missing ]] || die "nothing is missing, and the resource is not complete"
	fill "$work/missing" 0
	((cut == 0)) || die "the server cannot be reached: $(tail -n 3 "$work/curl.log")"
	((all_completed += completed)) || true
	head_of "$location" "$work/head"
done
# The last write is told so. One that was committed before may be too, for under persist
# its response tells the state after its end, when there was nothing left to commit.
((all_completed >= 1)) || die "no write got Upload-Complete: ?1"
step "complete, and the last write was told so"

# 6. The file comes back, whole, by ranges, and resumed.
[[ $(header Content-Length "$work/head") == "$size" ]] || die "HEAD of the complete resource says $(header Content-Length "$work/head")"
[[ $(curl -sS -f "$location" | sum) == "$want" ]] || die "GET differs"
for ((k = 0; k < workers; k++)); do
	a=$((size / workers * k))
	b=$((k == workers - 1 ? size : size / workers * (k + 1)))
	status=$(curl -sS -f -r "$a-$((b - 1))" -o "$work/part" -w '%{http_code}' "$location")
	[[ $status == 206 ]] || die "GET of a range got $status"
	cat "$work/part" >>"$work/parts"
done
cmp "$work/parts" "$file" || die "GET by ranges differs"
rm "$work/part" "$work/parts"
step "read back, whole and by ranges"

bytes 0 $((size / 3)) >"$work/resumed"
curl -sS -f -C - -o "$work/resumed" "$location"
cmp "$work/resumed" "$file" || die "the resumed download differs"
rm "$work/resumed"

base64=$(printf %b "$(sed 's/../\\x&/g' <<<"$want")" | base64)
head_of "$location" "$work/head" -H 'Want-Repr-Digest: sha-256=10'
[[ $(header Repr-Digest "$work/head") == "sha-256=:$base64:" ]] ||
	die "Repr-Digest is $(header Repr-Digest "$work/head"), want sha-256=:$base64:"
status=$(curl -sS -X DELETE -o "$work/body" -w '%{http_code}' "$location")
[[ $status == 204 ]] || die "DELETE got $status"
status=$(curl -sS -o "$work/body" -w '%{http_code}' "$location")
[[ $status == 404 ]] || die "GET after DELETE got $status"
step "a download was resumed, Repr-Digest is right, and DELETE deletes"

# An upload that is cut in the middle, and continued at the offset that HEAD tells.
location=${url}backup.tar
curl -sS -T "$file" --limit-rate 50M -H 'Prefer: transaction=persist' -o "$work/body" "$location" 2>>"$work/curl.log" &
uploader=$!
until [[ $(curl -sS -I "$location" 2>>"$work/curl.log" | tr -d '\r' | sed -n 's/^upload-offset: //Ip') -gt 0 ]]; do
	kill -0 "$uploader" 2>/dev/null || die "the upload ended before anything of it was committed: $(cat "$work/body")"
done
kill -KILL "$uploader"
wait "$uploader" 2>/dev/null || true
uploader=
head_of "$location" "$work/head"
[[ $(header Upload-Complete "$work/head") == '?0' ]] || die "the upload was not cut"
offset=$(header Upload-Offset "$work/head")
status=$(curl -sS -C "$offset" -T "$file" -D "$work/head" -o "$work/body" -w '%{http_code}' "$location")
[[ $status == 204 ]] || die "continuing at $offset got $status: $(cat "$work/body")"
[[ $(header Upload-Complete "$work/head") == '?1' ]] || die "the continued upload is not complete"
curl -sS -f "$location" | cmp - "$file" || die "the continued upload differs"
step "an upload that was cut at $offset was continued"

kill -TERM "$server"
wait "$server" || die "the server did not stop well: status $?"
server=
step "passed"
