#!/usr/bin/perl

# Two nodes; the second is cut off from Redis while people log out at the first:
# what the second remembers is not believed beyond its time.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(sleep time);

use Portal::Fault;

my $p = portal(server => gate_only());
my $c = signed_in(qr/couple/);
my $stays = signed_in(qr/separated/);
my $leaver = signed_in(qr/two families/);

# the second node: the same servers, Redis over a line that can be cut
my $line = $p->dir . '/line.sock';
my $carrier = proxy($line, $p->redis_socket);
my $second = Portal::Test::adopt(Portal::Stack->start(
    server => gate_only(), mail => 'file', external => {
        database => $p->pg->conninfo('portal_web'),
        jobs => $p->pg->conninfo('portal_jobs'), keys => $p->keys,
        redis => "unix:$line password=$p->{redis_password}",
    }));

sub there {
    my ($who, $path) = @_;

    my $from = client(stack => $second);
    %{ $from->cookies } = %{ $who->cookies };

    return $from->get($path)->status;
}

wait_for(5, sub { $p->redis_cli('INFO', 'clients') =~ /tracking_clients:4/ })
    or diag 'not all workers listen';
is there($c, $_), 200, "the second node knows who this is: $_"
    for qw(/famille /prive);
is there($stays, '/prive'), 200, 'and the other one';

### with the line whole a log-out is known there at once

is there($leaver, '/prive'), 200, 'a third one';
my $twin = twin($leaver, stack => $p);
$leaver->submit($leaver->get('/mon-espace'), {}, form => '/deconnexion');
ok wait_for(0.3, sub { there($twin, '/prive') == 303 }),
    'its log-out at the first node is heard of at the second';

### cut

kill 'STOP', $carrier;
$twin = twin($c, stack => $p);
is $c->submit($c->get('/mon-espace'), {}, form => '/deconnexion')->status, 303,
    'log-out at the first node';
my $cut = time;
is $twin->get('/prive')->status, 303, 'the first node knows';
isnt there($twin, '/famille'), 200, 'PostgreSQL decides, at the second too';

ok wait_for(6, sub { there($twin, '/prive') != 200 }),
    'the gate alone does not believe its copy for long';
cmp_ok time - $cut, '<', patient(8), 'a few seconds';
# until the line is known to be dead, PostgreSQL may be asked, which says no
ok wait_for(8, sub { there($twin, '/prive') == 503 }), 'it says that it cannot know';
is there($stays, '/famille'), 200, 'who stays goes on reading';

### whole again

kill 'CONT', $carrier;
ok wait_for(8, sub { there($stays, '/prive') == 200 }), 'the line is back';
isnt there($twin, $_), 200, "the copy is forgotten: $_" for ('/prive') x 4;

$second->stop;
proxy_stop($carrier);

done_testing;
