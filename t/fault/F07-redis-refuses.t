#!/usr/bin/perl

# Redis is there and answers with errors: no memory, a password that is another
# now, commands that are not allowed.  No log-in and no lie; log-out and pages
# go on, and all comes back by itself.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal(server => gate_only());
my $couple = account(qr/couple/);
my $c = signed_in($couple);
my $live = 'select count(*) from portal.session where ended_at is null';

my @leavers = map { signed_in(new_account()) } 1 .. 3;
ok tracked(), 'each worker hears of changes';
$_->get('/mon-espace'), $_->get('/prive') for ($c, @leavers) x 4;

sub redis { return $p->redis_cli(@_) // '' }

sub bad_day {
    my ($name, $gate) = @_;
    my $leaver = shift @leavers;
    my $twin = twin($leaver);
    my $key = 'sess:' . tool("mac\tsaint-aubin\tsession\t"
        . $leaver->cookie('__Host-portal'));

    is_deeply tally(together(map { $c->get($_, pending => 1) }
        ('/famille', '/mon-espace', '/mes-abonnements') x 5)), { 200 => 15 },
        "$name: pages go on";
    cheap_ok(client(), $name);

    my $before = $p->psql($live);
    for my $n (1 .. 6) {
        my $x = client(source => "127.7.0.$n");
        my $page = $x->submit($x->get('/connexion'),
            { map { $_ => $couple->{$_} } qw(email password) });
        refused_busy_ok($page, undef, "$name: log-in", 4) if $n == 1;
        is $page->status, 503, "$name: log-in, again" if $n > 1;
        ok !defined $x->cookie('__Host-portal'), "$name: no cookie";
    }
    ok wait_for(5, sub { $p->psql($live) == $before }),
        "$name: no session is left" or diag $p->psql($live), ' ', $before;

    # the language is the account's and the browser's: no record is written
    for my $who (client(), $c) {
        my $is = $who == $c ? 'signed in' : 'nobody';
        for my $lang ('en', 'fr') {
            my $r = $who->submit($who->get('/langue'), { lang => $lang, path => '/aide' },
                form => '/langue#');
            is $r->status, 303, "$name: $is, « $lang »" or diag $r->text;
            is $who->get($_)->header('content-language'), $lang, 'in which pages are'
                for '/aide', $who == $c ? '/mon-espace' : '/';
        }
    }

    is $leaver->submit($leaver->get('/mon-espace'), {}, form => '/deconnexion')
        ->status, 303, "$name: log-out";
    isnt $twin->get($_)->status, 200, "$name: out of $_"
        for ('/famille', '/prive') x 4;

    return ($twin, $key);
}

sub good_again {
    my ($name, $twin) = @_;

    ok wait_for(15, sub {
        grep { $_->status == 303 } sign_in(client(), $couple)
    }), "$name, over: log-in is back by itself";
    ok tracked(), "$name, over: each worker hears of changes";
    back_ok($c, '/prive', "$name, over", 10);
    isnt $twin->get($_)->status, 200, "$name, over: who logged out is out of $_"
        for ('/famille', '/prive') x 4;
}


### no memory

redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
redis('CONFIG', 'SET', 'maxmemory', '1');
like redis('SET', 'seen:x', 1), qr/^OOM/, 'no memory is left';
my ($twin, $key) = bad_day('no memory');
like redis('EXISTS', $key), qr/^0/, 'no memory: the record is gone all the same';
is $c->get('/prive')->status, 200, 'no memory: the gate reads on';
redis('CONFIG', 'SET', 'maxmemory', '0');
good_again('no memory', $twin);


### writing is not allowed

like redis('ACL', 'SETUSER', 'default', '-set', '-del'), qr/OK/,
    'SET and DEL are refused';
($twin) = bad_day('not allowed');
redis('ACL', 'SETUSER', 'default', '+set', '+del');
good_again('not allowed', $twin);


### another password, and nobody may stay

my $password = $p->{redis_password};
redis('CONFIG', 'SET', 'requirepass', 'another-one');
{
    local $p->{redis_password} = 'another-one';
    redis('CLIENT', 'KILL', 'TYPE', $_) for qw(normal pubsub);
}
($twin) = bad_day('another password');
{
    local $p->{redis_password} = 'another-one';
    redis('CONFIG', 'SET', 'requirepass', $password);
}
good_again('another password', $twin);

unlike join('', log_lines(qr/./)), qr/\Q$password/,
    'the password is in no line of the log';
cmp_ok scalar(log_lines(qr/redis/i)), '<', 150, 'the log is not flooded';

done_testing;
