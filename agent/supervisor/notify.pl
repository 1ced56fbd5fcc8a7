# Receives what units send to $NOTIFY_SOCKET (unix datagrams, which Node cannot receive) and passes it on.
#
#   perl notify.pl FOLDER NUMBER      NUMBER is that of the system call recvmsg on this machine (64 bit only)
#
# On stdin, lines: "bind ID UID" makes the socket FOLDER/ID, for that user alone to write to; "unbind ID" removes it.
# On stdout, lines: "bound ID", "failed ID why", and "message ID PID HEX": a datagram and who sent it. Ends with stdin.
use strict;
use warnings;
use Socket;

use constant { SO_PASSCRED => 16, SCM_CREDENTIALS => 2, MSG_DONTWAIT => 0x40, LARGEST => 65536 };
# Room for the sender's credentials and nothing else: descriptors that come along are closed by the kernel, which is
# what systemd-notify waits for.
use constant CONTROL_BYTES => 32;

my ($folder, $recvmsg) = ($ARGV[0], 0 + $ARGV[1]);
my %socket;
my $input = '';
$| = 1;
umask 0177;

while (1) {
    my $wanted = '';
    vec($wanted, fileno $_, 1) = 1 for \*STDIN, values %socket;
    next if select(my $ready = $wanted, undef, undef, undef) <= 0;
    for my $id (keys %socket) {
        receive($id) if vec($ready, fileno $socket{$id}, 1);
    }
    next unless vec($ready, fileno STDIN, 1);
    sysread(STDIN, $input, LARGEST, length $input) or exit 0;
    while ($input =~ s/^([^\n]*)\n//) {
        my ($verb, $id, $uid) = split ' ', $1;
        if ($verb eq 'bind') { print open_socket($id, $uid), "\n" }
        else { close_socket($id) }
    }
}

sub open_socket {
    my ($id, $uid) = @_;
    my $path = "$folder/$id";
    close_socket($id);
    socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or return "failed $id $!";
    setsockopt($socket, SOL_SOCKET, SO_PASSCRED, 1) or return "failed $id $!";
    bind($socket, pack_sockaddr_un($path)) or return "failed $id $!";
    $uid == $> or chown($uid, -1, $path) or return "failed $id $!";
    $socket{$id} = $socket;
    return "bound $id";
}

sub close_socket {
    my ($id) = @_;
    delete $socket{$id};
    unlink "$folder/$id";
}

sub receive {
    my ($id) = @_;
    my ($data, $control) = ('', '');
    # Buffers of their own, which the kernel writes into.
    vec($data, LARGEST - 1, 8) = 0;
    vec($control, CONTROL_BYTES - 1, 8) = 0;
    my $vector = pack 'P J', $data, LARGEST;
    my $header = pack 'J J P J P J J', 0, 0, $vector, 1, $control, CONTROL_BYTES, 0;
    my $length = syscall($recvmsg, fileno $socket{$id}, $header, MSG_DONTWAIT);
    return if $length < 0;
    my ($size, $level, $type, $pid) = unpack 'J i i i', $control;
    return unless $level == SOL_SOCKET && $type == SCM_CREDENTIALS;
    print "message $id $pid ", unpack('H*', substr $data, 0, $length), "\n";
}
