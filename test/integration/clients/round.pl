# SPDX-License-Identifier: BSD-3-Clause
# The round of client_round.py with Cache::Memcached or Cache::Memcached::Fast.
#
# Usage: perl round.pl CLASS PARAMETERS     PARAMETERS is the JSON of client_round.parameters()
use strict;
use warnings;
use JSON::PP;
use Time::HiRes qw(time sleep);

my ($class, $json) = @ARGV;
my $p = decode_json($json);
my $fast = $class eq 'Cache::Memcached::Fast';
eval "require $class" or die $@;
$| = 1;

# max_size: the server shall judge the size, not the client. The pure Perl client has no such limit.
my $memc = $class->new({
    servers => ["$p->{host}:$p->{port}"],
    connect_timeout => $p->{patience_s},
    $fast ? (max_size => 16 * 1024 * 1024, io_timeout => $p->{patience_s})
          : (select_timeout => $p->{patience_s}),
});

sub step {
    my ($name, $code) = @_;
    my $reason = eval { $code->(); 1 } ? undef : $@ || 'died';
    if (!defined $reason) {
        print "ok - $name\n";
        return;
    }
    $reason =~ s/[\r\n]+/ /g;
    print $reason =~ /^SKIP / ? "ok - $name # $reason\n" : "not ok - $name: $reason\n";
}

sub check {
    my ($true, $what) = @_;
    die(($what // 'refused') . ' at line ' . (caller)[2] . "\n") if !$true;
}

sub check_is {
    my ($got, $expected) = @_;
    my $same = defined $got ? defined $expected && $got eq $expected : !defined $expected;
    return if $same;
    my ($g, $e) = map { defined $_ ? length > 60 ? length() . ' bytes' : "'$_'" : 'nothing' } $got, $expected;
    die "got $g, expected $e at line " . (caller)[2] . "\n";
}

sub still_serves {
    my ($key) = @_;
    check($memc->set($key, 'next'), 'the next command after the refusal failed');
    check_is($memc->get($key), 'next');
}

step store => sub { check($memc->set('store', 'x')) };

step fetch => sub {
    my $value = $p->{awkward} . join '', map { chr } 0 .. 255;
    utf8::downgrade($value);
    check($memc->set('fetch', $value));
    check_is($memc->get('fetch'), $value);
};

step miss => sub { check_is($memc->get('miss'), undef) };

step multi_get => sub {
    my %stored = map { ("many:$_" => "value $_") } 1 .. $p->{many};
    check($memc->set($_, $stored{$_})) for keys %stored;
    my $found = $memc->get_multi(map { ("many:$_", "none:$_") } 1 .. $p->{many});
    check_is(scalar(keys %$found), $p->{many});
    check_is($found->{$_}, $stored{$_}) for keys %stored;
};

step cas => sub {
    die "SKIP the client has no such call\n" if !$memc->can('cas');
    check($memc->set('cas', '1'));
    my ($token, $value) = @{ $memc->gets('cas') };
    check_is($value, '1');
    check($memc->cas('cas', $token, '2'), 'the first use of the token was refused');
    check(!$memc->cas('cas', $token, '3'), 'the second use of the token was accepted');
    check_is($memc->get('cas'), '2');
};

step incr => sub {
    check($memc->set('incr', '10'));
    check_is($memc->incr('incr', 5), 15);
    check_is($memc->decr('incr', 6), 9);
    check(defined(my $zero = $memc->decr('incr', 100)));
    check($zero == 0, "decr below zero gave $zero");
    check(!$memc->incr('incr:none', 1), 'incr found a key that does not exist');
};

step large_value => sub {
    my $value = substr('0123456789abcdef!' x ($p->{large_size} / 16), 0, $p->{large_size});
    check($memc->set('large', $value));
    check_is($memc->get('large'), $value);
};

step too_large_value => sub {
    check(!$memc->set('huge', 'x' x $p->{too_large_size}), 'it was stored');
    check_is($memc->get('huge'), undef);
    still_serves('after:huge');
};

step expiry => sub {
    my $started = time;
    check($memc->set('expiry', 'x', $p->{ttl_s}));
    while (defined $memc->get('expiry')) {
        check(time < $started + $p->{ttl_s} + $p->{patience_s}, 'still there');
        sleep 0.05;
    }
    check(time > $started + $p->{ttl_s} - 1.2, 'gone too early');
};

step delete => sub {
    check($memc->set('delete', 'x'));
    check($memc->delete('delete'));
    check_is($memc->get('delete'), undef);
    check(!$memc->delete('delete'), 'the second delete found something');
};

# A reference travels frozen, marked by a flag: without the flag it would come back as a string.
step flags => sub {
    check($memc->set('flags', { list => [1, 2, 3] }));
    my $value = $memc->get('flags');
    check(ref $value eq 'HASH', 'not a reference any more');
    check_is("@{$value->{list}}", '1 2 3');
};

step longest_key => sub {
    my $key = 'k' x $p->{longest_key};
    check($memc->set($key, 'x'));
    check_is($memc->get($key), 'x');
};

# These clients leave the length to the server. A refused line leaves its data block to be read as
# commands, so the connection holds an answer too many: a program that does this has to reconnect.
step too_long_key => sub {
    check(!$memc->set('k' x ($p->{longest_key} + 1), 'x'), 'it was stored');
    $memc->disconnect_all;
    still_serves('after:long');
};
