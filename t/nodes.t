#!/usr/bin/perl

# Two nodes behind a balancer, on one PostgreSQL and one Redis: nobody can tell
# which one answers, and one may go.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

# the portal's own format has no address in it
my $p = portal(nodes => 2, http => 'log_format visitors "$remote_addr $request";',
    server => gate_only() . ' access_log logs/visitors.log visitors;');
my ($one, $two) = $p->nodes;
ok wait_for(8, sub { $p->redis_cli('INFO', 'clients')
    =~ /^tracking_clients:4/m }), 'all workers of both listen';

sub at {
    my ($node, $who, $path) = @_;

    return twin($who, node => $node)->get($path)->status;
}


### log-in at one, log-out at the other

my $c = signed_in(qr/couple/, node => 1);
is at($_, $c, '/famille'), 200, "logged in at one, known at node $_" for 1, 2;
is at($_, $c, '/prive'), 200, "the gate alone, node $_" for 1, 2, 1, 2;

my $leaver = twin($c, node => 2);
is $leaver->submit($leaver->get('/mon-espace'), {}, form => '/deconnexion')
    ->status, 303, 'log-out at node 2';
ok wait_for(1, sub { at(1, $c, '/prive') == 303 }),
    'is known at node 1 within a second';
is at($_, $c, '/famille'), 303, "and for the pages, node $_" for 1, 2;

### an agent who loses a right

my $agent = new_agent();
my $works = agent_client(as => $agent, node => 1, json => 1);
my $sees = sub { twin($works, node => $_[0], json => 1)->get('/compte')->status };
is $sees->($_), 200, "T059 an agent, in at one, known at node $_" for 1, 2;
$p->psql("update portal.agent set role = 'reader' where email = '$agent->{email}'");
is $sees->($_), 401, "T059 of another role: the next request is refused, node $_" for 1, 2;
is log_in_agent(client(agents => 1, node => 2), $agent)->status, 303, 'and may log in anew';
is log_in_agent(client(agents => 1, node => 1), $agent, fresh => 0)->status, 422,
    'a code that one node has taken is none at the other';

### a form of one is sent to the other

my ($getter, $poster) = map { client(node => $_) } 1, 2;
my $form = $getter->get('/inscription');
%{ $poster->cookies } = %{ $getter->cookies };
my %person = (last_name => 'Nodier', first_name => 'Charles',
    email => "nodier.$$\@parents.example",
    password => 'coquelicot vélo 72 orage');
is $poster->submit($form, { %person, $getter->captcha($form) })->status, 303,
    'sign-up: the form of node 1 sent to node 2';
is confirm($getter, \%person)->status, 303,
    'its mail is written once, its link confirmed at node 1';
is scalar mails(to => $person{email}), 1, 'one mail';
is sign_in(client(), \%person)->status, 303, 'log-in by the balancer';

### the balancer, and who asks

my $guest = client();
$guest->get('/') for 1 .. 8;
for my $node ($one, $two) {
    my $log = Portal::Place::slurp($node->dir . '/logs/visitors.log');
    cmp_ok scalar(() = $log =~ m{ GET / HTTP}g), '>', 2, 'both have answered';
}
client(source => '127.4.5.6')->get('/') for 1 .. 2;
like Portal::Place::slurp($one->dir . '/logs/visitors.log'), qr/^127\.4\.5\.6 /m,
    'a node knows the visitor, not the balancer';

### one is reloaded, one goes and comes back

$c = signed_in(qr/separated/);
my @pages = load(3, 4, sub { $c->get('/famille', pending => 1) }, 0.5, sub {
    kill 'HUP', ($one, $two)[rand 2]->pid;
});
is_deeply [keys %{ tally(@pages) }], [200], 'reloads lose nothing'
    or diag explain tally(@pages);

my $gone;
@pages = load(3, 4, sub { $c->get('/famille', pending => 1) }, 1, sub {
    $two->stop if !$gone++;
});
is_deeply [grep { $_ != 200 } keys %{ tally(@pages) }], [],
    'a node goes: the other one answers' or diag explain tally(@pages);
is sign_in(client(), \%person)->status, 303, 'log-in with one node';

$two->start;
ok wait_for(5, sub { at(2, $c, '/famille') == 200 }), 'it is back';

done_testing;
