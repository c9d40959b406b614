#!/usr/bin/perl

# One failure, one line: each page of a failure of ours shows an id, and just
# one line of the error log carries it and says why.  What the access log of
# conf.d/portal.conf says.

# India's, where no machine of ours is
BEGIN { $ENV{TZ} = 'IST-5:30' }

use Portal::Test;

use strict;
use warnings;
use utf8;

use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);

use Portal::Fault;
use Portal::Place qw(slurp);

# what is said at lower levels explains nothing
my $p = Portal::Stack->new(server => gate_only() . q{
    location = /t/null   { portal_allow public; portal_get t_null home; }
    location /t/deep/    { portal_allow public; portal_get t_null home; }
    location = /t/array  { portal_allow public; portal_get t_array home; }
    location = /t/bare   { portal_allow public; portal_get t_bare home; }
    location = /t/raise  { portal_allow public; portal_get t_raise home; }
    location = /t/says   { portal_allow public; portal_get t_says home; }
    location = /t/none   { portal_allow public; portal_get t_none home; }
    location = /t/proxy  { portal_allow public; proxy_pass http://127.0.0.1:9; }
});

# as rsyslog's socket, by which logs leave the machine
my $socket = "$p->{dir}/syslog";
our $syslog;                    # until nginx has ended
$p->{main} = "error_log $p->{dir}/info.log info; error_log syslog:server=unix:$socket,nohostname,tag=portail notice;";

# one request waits, and not for long
$p->{http} = 'portal_database "' . $p->pg->conninfo('portal_web')
    . '" queue=1 timeout=1s;'
    . " access_log syslog:server=unix:$socket,nohostname,tag=portail portal;";
$p->prepare;
$syslog = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $socket) or die "$socket: $!\n";
$syslog->blocking(0);
chmod 0777, $socket;
$p->start_database;

my %functions = (
    null => 'return null', array => "return '[]'::json",
    bare => "return '{\"a\":1}'::json", raise => "raise 'geheim'",
    says => "return '{\"status\":503}'::json",
);
$p->psql(join '', map { "create function portal.t_$_(input jsonb) returns json
    language plpgsql as 'begin @{[ $functions{$_} =~ s/'/''/gr ]}; end';
    grant execute on function portal.t_$_(jsonb) to portal_web;" }
    sort keys %functions);

$p->start_redis;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);
wait_for(10, sub { client()->get('/t/says')->content =~ /Saint-Aubin/ });

my $couple = account(qr/couple/);

# the lines of the error log that are about this page
sub lines {
    my ($page) = @_;

    # a page that carries a form has such numbers in it, too
    my ($id) = $page->content =~ ($page->content =~ /<html/
        ? qr{<code>([0-9a-f]{32})</code>} : qr/\b([0-9a-f]{32})\b/)
        or return 'the page shows no id';

    return grep { /\b\Qid: $id\E\b/ && /\[(?:error|crit|alert)\]/ }
        split /^/, slurp($p->nginx->error_log);
}

sub told_once {
    my ($page, $status, $why, $name) = @_;

    my @lines = lines($page);

    ok $page->status =~ $status && @lines == 1 && $lines[0] =~ $why
        && $lines[0] =~ /request: "(?:GET|POST) \/[^? ]*"/
        && $lines[0] !~ /geheim|\?/, "$name: one line with the page's id"
        or diag $page->status, "\n", @lines;
}

sub both {
    my ($c, $path, @rest) = @_;

    told_once(as_json($c)->get("$path?jeton=geheim"), @rest[0, 1], "$rest[2], JSON");
    told_once($c->get("$path?jeton=geheim"), @rest);
}

# the status of what no client of ours would ask for
sub asked {
    my ($path) = @_;

    return +(client()->raw("GET $path HTTP/1.1\r\nHost: @{[ $p->host('saint-aubin') ]}\r\nConnection: close\r\n\r\n")
        =~ m{^HTTP/1\.1 (\d+)})[0];
}

sub log_in {
    my ($c) = @_;

    return $c->submit($c->get('/connexion'), {
        map { $_ => $couple->{$_} } qw(email password) });
}


### what functions do

my $c = client();

both($c, '/t/null', 500, qr/function "t_null" returned nothing/, 'no document');
both($c, '/t/array', 500, qr/returned no document/, 'not a document');
both($c, '/t/bare', 500, qr/document has no status/, 'no status');
both($c, '/t/raise', 500, qr/database error P0001 in "t_raise"/, 'an error');
both($c, '/t/none', 503, qr/schema lacks what the page calls/, 'not there');
both($c, '/t/says', 503, qr/answered 503/, 'its own 503');
both($c, '/t/proxy', 502, qr/connect\(\) failed/, 'another server');

# a session that has ended elsewhere is said to be refused, at a low level, before
# the page fails for another reason
{
    my $gone = signed_in(new_account());
    $p->psql('update portal.session set ended_at = now() where ended_at is null');
    told_once($gone->get('/t/says'), 503, qr/answered 503/, 'after a line of information');
    like slurp("$p->{dir}/info.log"), qr/\[info\].*database error PT401 in "enter".*\/t\/says/,
        'of which there was one';
}


### PostgreSQL is busy, slow, not there

my $in = signed_in($couple);
$in->get('/mon-espace') for 1 .. 10;

my $undo = slow_function('my_space', 0.8);
my @busy = grep { $_->status == 503 }
    together(map { $in->get('/mon-espace', pending => 1) } 1 .. 30);
cmp_ok scalar(@busy), '>', 5, 'some have no place';
my @wrong = grep { my @l = lines($_); @l != 1 || $l[0] !~
    /database (?:queue (?:is full|had no turn in time)|answered not in time), "my_space"/ } @busy;
is scalar(@wrong), 0, 'busy: one line each' or diag map { lines($_), "--\n" } @wrong;
$undo->();

$undo = slow_function('my_space', 3);
told_once($in->get('/mon-espace'), 503, qr/database answered not in time, "my_space"/, 'slow');
told_once(as_json($in)->get('/mon-espace'), 503, qr/not in time/, 'slow, JSON');
$undo->();

# the act, and then the form that should say so
{
    my $me = $p->psql("select g.id from portal.guardian g join portal.family f
        on f.id = g.family_id where f.number = '104201' order by g.rank limit 1");
    my $path = "/famille/responsables/$me/base";
    my $form = $in->get($path);
    my @undo = map { slow_function($_, 3) } qw(ask_change section_form);
    told_once($in->submit($form, { profession => 'Luthière', step => 'send' }, form => $path),
        503, qr/database answered not in time, "ask_change"/, 'two calls are slow');
    $_->() for @undo;
}

$p->stop_database;
wait_for(5, sub { log_lines(qr/database is down/) >= 2 });
both($in, '/mon-espace', 503, qr/database is down, "my_space"|no call before/, 'down');
told_once(log_in(client()), 503, qr/database is down, "sign_in_lookup"|no call before/,
    'down, log-in');
$p->start_database;
back_ok($in, '/mon-espace', 'PostgreSQL', 10);


### Redis is not there

my $out = client();
my $page = $out->get('/connexion');
$p->stop_redis;
wait_for(5, sub { log_lines(qr/redis portal:command/) >= 2 });
both($in, '/prive', 503, qr/redis does not say who is asking/, 'no Redis, a gate');
told_once($out->submit($page, { map { $_ => $couple->{$_} } qw(email password) }),
    503, qr/redis is down, no session/, 'no Redis, log-in');
$p->start_redis;
back_ok($in, '/aide', 'Redis', 5);


### what is refused on purpose is no error

my $n = log_lines(qr/\[error\]/);
client()->get('/nulle-part');
client()->get('/mon-espace');
client(json => 1)->get('/mon-espace');
my $stranger = client();
is $stranger->submit($stranger->get('/connexion'), { email => 'x@parents.example',
    password => 'y' x 20 })->status, 422, 'a wrong password';
# nginx would write the file's name as it reads it: two lines, the second as somebody wants it
is asked($_), 404, "no such file: $_" for '/static/x.css',
    '/static/x%0A2026%2F11%2F26%2017:00:00%20%5Balert%5D%201%231:%20forged', '/static/x%1B%5B31m/', '/static/' . 'y' x 300;
is scalar(log_lines(qr/\[error\]/)), $n, 'no line';


### the id is the same in the database's audit

my $id = $p->psql("select request from portal.audit where request is not null
    order by id desc limit 1");
like $id, qr/^[0-9a-f]{32}$/, 'the audit carries an id';
like slurp($p->nginx->access_log) // '', qr/"id":"$id"/, 'which the access log has';


### what was refused, and attempts to get round: who, where, when

{
    my $stranger = client(json => 1);
    my $citizen = signed_in(new_account());
    my $parent = signed_in($couple);
    my ($child) = $p->psql("select c.id from portal.child c where c.tenant = 1 and not exists (
        select from portal.child_family cf join portal.subscription s using (tenant, family_id)
        join portal.account a on a.id = s.account_id where cf.child_id = c.id
        and a.email = '$couple->{email}') limit 1");
    my $account = sub { scalar $p->psql("select account_id from portal.session order by opened_at
        desc offset $_[0] limit 1") };
    my ($who, $guest) = ($account->(0), $account->(1));
    $stranger->get('/session');
    my $csrf = sub { as_json($_[0])->get('/session')->json->{csrf} };
    my $post = sub {
        my ($c, $path, $body, %headers) = @_;
        return as_json($c)->post($path, { csrf => $csrf->($c), %$body }, headers => \%headers);
    };

    # what is refused: what the access log says besides the id
    my @tries = (
        ['16.3.2 nobody', $stranger->get('/famille'), 401, '/famille', 'refused', ''],
        ['16.3.2 no family', as_json($citizen)->get('/famille'), 403, '/famille', 'refused', $guest],
        ['16.3.2 another\'s child', as_json($parent)->get("/famille/enfants/$child->[0]"), 404,
            "/famille/enfants/$child->[0]", 'session', $who],
        ['16.3.3 from another site', $post->($parent, '/mes-abonnements/nouveau', {},
            'Sec-Fetch-Site' => 'cross-site'), 403, '/mes-abonnements/nouveau', 'session', $who],
        ['16.3.3 a forged token', $post->($parent, '/mes-abonnements/nouveau',
            { csrf => 'A' x 86 }), 403, '/mes-abonnements/nouveau', 'session', $who],
        ['16.3.3 a field too many', $post->($parent, '/mes-abonnements/nouveau',
            { code => 'x', step => 'search', role => 'administrator' }), 422,
            '/mes-abonnements/nouveau', 'session', $who],
        ['16.3.3 a body that is none', as_json($parent)->post('/mes-abonnements/nouveau', '{',
            headers => { 'Content-Type' => 'application/json' }), 400,
            '/mes-abonnements/nouveau', 'session', $who],
    );
    for my $n (1 .. 6) {
        my $r = $post->($stranger, '/connexion', { email => $couple->{email},
            password => "guess number $n" });
        push @tries, ['16.3.3 one guess too many', $r, 429, '/connexion', 'anonymous', '']
            if $n == 6;
    }

    # a line is written once its answer has been sent
    my $last = $tries[-1][1]->json->{instance};
    my @lines;
    ok wait_for(10, sub { @lines = split /^/, slurp($p->nginx->access_log);
        grep { /\Q$last/ } @lines }), 'the access log has come so far';
    my @read = map { eval { JSON::PP->new->utf8->decode($_) } // "no JSON: $_" } @lines;
    is_deeply [grep { !ref } @read], [], '16.2.4 each line of the access log is JSON';
    is_deeply [grep { $_->{time} !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/ } @read],
        [], '16.2.4 and says when, and in what zone';
    my %by = map { $_->{id} => $_ } @read;

    for my $try (@tries) {
        my ($name, $r, $status, $path, $gate, $account) = @$try;
        my $line = $by{ eval { $r->json->{instance} } // '' } // {};
        is $r->status, $status, $name or diag $r->content;
        is join(' ', map { $line->{$_} // '?' } qw(status town path gate account)),
            "$status saint-aubin $path $gate $account", 'is in the access log';
    }

    is $p->psql("select count(*) from portal.audit where action = 'sign_in' and outcome = 'failed'
        and at > now() - interval '1 minute'") >= 5, 1, '16.3.3 guesses are in the audit';
    is_deeply [grep { !m{^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+: } }
        split /^/, slurp($p->nginx->error_log)], [],
        '16.2.4 the error log\'s have one form, too';

    # both logs keep to the zone that nginx was started with
    is_deeply [grep { $_->{time} !~ /\+05:30$/ } @read], [], '16.2.2 the access log is in the zone that nginx is given';
    my ($newest) = (split /^/, slurp($p->nginx->error_log))[-1] =~ /^(\S+ \S+)/;
    my $at = sub { my @t = gmtime(time + 5.5 * 3600 - $_[0]); sprintf '%04d/%02d/%02d %02d:%02d:%02d',
        $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0] };
    ok $newest le $at->(0) && $newest gt $at->(600), '16.2.2 the error log is in the zone, too' or diag $newest;
}


### a path is told in plain characters

{
    my $said = sub { (grep { /returned nothing/ } split /^/, slurp($p->nginx->error_log))[-1] };
    is asked("/t/deep/\x9b31m\xe9\"',%0A<x>\\"), 500, 'a path of any bytes';
    my $plain = qr{/t/deep/%9B31m%E9%22%27,%0A};
    like $said->(), qr/request: "GET $plain\S*", /, 'in the error log';
    my $asked = '/t/deep/' . "\xff" x 3000;
    is asked($asked), 500, 'a long one';
    like $said->(), qr/"GET \/t\/deep\/(?:%FF){100,}\.\.\.", .*id: [0-9a-f]{32}$/, 'in the error log, which has its id all the same';
    my @lines;
    ok wait_for(10, sub { @lines = split /^/, slurp($p->nginx->access_log); grep { /%FF"/ } @lines }), 'in the access log';
    is scalar(grep { /"path":"$plain/ } @lines), 1, 'the first, too';
    is scalar(grep { m{"path":"/t/deep/(?:%FF){3000}"} } @lines), 1, 'whole';
    is_deeply [grep { /[^ -~\n]/ } @lines, split /^/, slurp($p->nginx->error_log)], [], '16.4.1 no line has any other byte';
}


### elsewhere: what this machine writes, another one has

{
    # what has come so far is more than a socket holds
    my ($text, $more) = ('');
    1 while defined $syslog->recv($more, 65536) && length $more;
    my $page = $in->get('/t/null');
    my ($id) = $page->content =~ /\b([0-9a-f]{32})\b/;
    ok wait_for(10, sub {
        $text .= "$more\n" while defined $syslog->recv($more, 65536) && length $more;
        $text =~ /"id":"$id"/ && $text =~ /id: $id/;
    }), '16.4.3 by syslog comes what the files say' or diag $text;
    like $text, qr/^<187>.* portail: .*\[error\] .*function "t_null" returned nothing.* id: $id$/m, '16.4.3 of the error log';
    like $text, qr/^<190>.* portail: \{"time":"[^"]*","id":"$id",.*"path":"\/t\/null","status":500,/m, '16.4.3 of the access log';
}

done_testing;
