#!/usr/bin/perl

# A program of the town comes with a key: what the key opens and what it does
# not, and a file that is the body, stored sealed as it comes.

use strict;
use warnings;
use utf8;

use Portal::Place qw(slurp);
use Portal::Test;

# nobody reads meanwhile: what is stored stays
my $portal = portal(
    directives => { portal_import => '24h' },
    agents => <<'END',
        location = /t/file    { portal_allow machine import; alias /etc/hostname; }
        location = /t/feed    { portal_allow machine feed; alias /etc/hostname; }
        location = /t/agent   { portal_allow agent; alias /etc/hostname; }
        location = /t/little  { client_max_body_size 600k; portal_allow machine import;
                                portal_put start_import; portal_arg name trop.csv; }
END
);
my $SECRET = 'Zéphirin Quelquechose';
my $key = $portal->machine();
my $c = client(agents => 1, json => 1);

sub row { return scalar $portal->psql($_[0]) }
sub bearer { return (Authorization => "Bearer $_[0]") }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub whole { my ($s) = @_; local $/; return scalar(<$s>) // '' }
sub put {
    my ($path, $body, %headers) = @_;

    return $c->request('PUT', $path, body => $body, headers => { bearer($key),
        'Content-Type' => 'text/csv', %headers });
}


### the key

like $key, qr/^[\w-]{43}$/, 'a key is printed';
is row("select name || ' ' || rights::text || ' ' || (key_mac is not null) from portal.machine"),
    'Logiciel {import} true', 'its MAC is kept';
unlike row('select string_agg(m::text, chr(32)) from portal.machine m'), qr/\Q$key/, 'and not itself';

for my $wrong ([], ['Basic YTpi'], ["Bearer $key."], ['Bearer ' . 'A' x 43], ["Bearer  $key"],
    ["Bearer $key, Bearer $key"], ["Token $key"], ['Bearer '])
{
    my $r = $c->get('/t/file', headers => { Authorization => $wrong->[0] });
    is $r->status, 401, 'no good key: ' . ($wrong->[0] // 'none');
    is $r->header('www-authenticate'), 'Bearer realm="portail"', 'it says what is wanted';
    like $r->header('content-type'), qr{^application/problem\+json}, 'as a problem document';
    is $r->json->{status}, 401, 'with its status';
    is_deeply [@{ $r->json }{qw(code title)}], ['machine_key', 'Clé inconnue'], 'and in words about a key, not about a session';
}

# whatever a program accepts
is client(agents => 1)->get('/t/file')->header('content-type'), 'application/problem+json',
    'no page for a machine';

is $c->get('/t/file', headers => { bearer($key) })->status, 200, 'a good one is let in';
is $c->get('/t/file', headers => { Authorization => "bearer $key" })->status, 200, 'in any case';
is $c->get('/t/feed', headers => { bearer($key) })->status, 403, 'with the right that it has only';
is $c->get('/t/agent', headers => { bearer($key) })->status, 401, 'nowhere else';
is $c->get('/imports', headers => { bearer($key) })->status, 401, 'not on the pages of agents';
is client(agents => 1, json => 1, town => 'beaulieu')->get('/t/file', headers => { bearer($key) })
    ->status, 401, 'nor in another town';

# a session is none
{
    my $agent = agent_client(role => 'administrator', json => 1);
    is $agent->get('/t/agent')->status, 200, 'an agent is logged in';
    my $r = $agent->get('/t/file');
    is $r->status, 401, 'cookies are no key';
    is $agent->request('PUT', '/import/x.csv', body => 'a')->status, 401, 'nor for what changes something';
    is scalar(() = $agent->get('/t/file', headers => { bearer($key) })->headers('set-cookie')), 0,
        'and none is set';
}

# another key of that name, and none
my $old = $key;
$key = $portal->machine();
is $c->get('/t/file', headers => { bearer($old) })->status, 401, 'another key ends the first';
is $c->get('/t/file', headers => { bearer($key) })->status, 200, 'and is one';
my $other = $portal->machine(name => 'Autre');
is $c->get('/t/file', headers => { bearer($key) })->status, 200, 'another machine ends none';
my $feed = $portal->machine(name => 'Flux', rights => 'feed');


### a file

my $csv = "famille;nom\n" . join '', map { "$_;$SECRET $_\n" } 1 .. 20_000;
cmp_ok length($csv), '>', 2 * 262_144, 'more than two pieces';
utf8::encode($csv);

my $r = put('/import/familles.csv', $csv);
is $r->status, 202, 'it is taken' or diag $r->content;
my $location = $r->location;
like $location, qr{^/import/\d+$}, 'with an address';
my ($id) = $location =~ /(\d+)/;
is $r->json->{location}, $location, 'which the document says, too';

is row("select concat_ws(' ', i.state, i.source, i.dry, f.name, f.size, f.pieces, f.stored)
    from portal.import i join portal.import_file f on f.import_id = i.id where i.id = $id"),
    join(' ', 'received', 'machine', 't', 'familles.csv', length $csv, 3, 3), 'whole, to be checked only';
is row("select bool_and(sealed is not null and plain is null) from portal.import_piece where import_id = $id"),
    't', 'sealed';
my @pieces = $portal->psql("select f.seal_id, p.piece, p.sealed
    from portal.import_piece p join portal.import_file f using (tenant, import_id, file)
    where p.import_id = $id order by p.piece");
is join('', map { tool("open\tsaint-aubin\timport\t$_->[0]\t$_->[1]\t$_->[2]")
    =~ s/\\n/\n/gr } @pieces), $csv, 'each piece for its place, and all is there';

my $doc = $c->get($location, headers => { bearer($key) });
is $doc->status, 200, 'what becomes of it';
is_deeply [@{ $doc->json->{import} }{qw(id state by source)}], [$id, 'received', 'Logiciel', 'machine'],
    'by its address';
is $c->get($location, headers => { bearer($other) })->status, 404, 'for the machine that sent it';
is $c->get($location, headers => { bearer($feed) })->status, 403, 'and who has the right';
is $c->get($location)->status, 401, 'with a key';

is put('/import/familles.csv', $csv)->location, $location, 'the same again is the same import';
my $neither = put('/import/familles.csv?dry=peut-etre', $csv);
is join(' ', $neither->status, map { "$_->{field}:$_->{code}" } @{ $neither->json->{errors} }),
    '422 dry:choice', 'neither checked nor applied';
is row("select count(*) from portal.import where state not in ('cancelled', 'received')"), 0,
    'and nothing waits of that';
isnt put('/import/familles.csv?dry=no', $csv)->location, $location, 'not as another act';
isnt put('/import/familles.csv', $csv . "x\n")->location, $location, 'nor another file';
is row("select dry from portal.import where id > $id and state = 'received' order by id limit 1"), 'f',
    'dry=no goes on by itself';
like put('/import/ann%C3%A9e%202026.csv', 'a')->location, qr{^/import/\d+$}, 'a name with accents';
is row("select name = 'ann' || chr(233) || 'e 2026.csv' from portal.import order by id desc limit 1"), 't',
    'is kept';

# as many bytes as a piece has, one more, one less
for my $n (262_143, 262_144, 262_145, 524_288) {
    $r = put("/import/n$n.csv", 'x' x $n);
    is $r->status, 202, "$n bytes";
    is row("select size || ' ' || pieces from portal.import_file order by import_id desc limit 1"),
        join(' ', $n, int(($n + 262_143) / 262_144)), 'in as many pieces as it takes';
}

# without a length
{
    my $s = $c->socket;
    print $s join "\r\n", 'PUT /import/morceaux.csv HTTP/1.1', 'Host: ' . $c->{host}, "Authorization: Bearer $key",
        'Transfer-Encoding: chunked', 'Connection: close', '', '';
    print $s sprintf("%x\r\n%s\r\n", length, $_) for map { $_ x 100_000 } 'a' .. 'e';
    print $s "0\r\n\r\n";
    like whole($s), qr{^HTTP/1.1 202 }, 'in chunks';
    is row("select size || ' ' || pieces from portal.import_file order by import_id desc limit 1"),
        '500000 2', 'it is whole';
}


### what is none

my $rows = row('select count(*) from portal.import_piece');
$r = put('/import/vide.csv', '');
is $r->status, 422, 'nothing';
is codes($r), ':import_empty', 'and it says so';
like $r->json->{errors}[0]{message}, qr/Le fichier est vide/, 'in French';
is $c->request('PUT', '/import/x.csv', headers => { bearer($key) })->status, 422, 'no body';
for my $type ('multipart/form-data; boundary=b', 'application/x-www-form-urlencoded', 'text/html') {
    is put('/import/x.csv', 'a', 'Content-Type' => $type)->status, 415, $type;
}
is put('/import/x.csv', 'a', 'Content-Encoding' => 'gzip')->status, 415, 'packed in another way';
is put('/import/x.zip', 'a', 'Content-Type' => 'application/zip', 'Content-Length' => 50 * 1024 * 1024 + 1)
    ->status, 413, 'too large';
is put('/import/x.csv', 'a', Authorization => "Bearer $feed")->status, 403, 'without the right';
is put('/import/12', 'a')->status, 405, 'a number is no name';
$r = $c->post('/import/x.csv', 'a', headers => { bearer($key) });
is $r->status, 405, 'PUT only';
is $r->header('allow'), 'PUT', 'which it says';
is row('select count(*) from portal.import_piece'), $rows, 'nothing of all that is kept';

# refused before it is sent
{
    my $s = $c->socket;
    print $s join "\r\n", 'PUT /import/x.csv HTTP/1.1', 'Host: ' . $c->{host}, 'Authorization: Bearer ' . 'A' x 43,
        'Content-Length: 1000000', 'Expect: 100-continue', 'Connection: close', '', '';
    like whole($s), qr{^HTTP/1.1 401 }, 'a wrong key is told before the body';
}

# too much, without a length
{
    local $SIG{PIPE} = 'IGNORE';
    my $s = $c->socket;
    print $s join "\r\n", 'PUT /t/little HTTP/1.1', 'Host: ' . $c->{host}, "Authorization: Bearer $key",
        'Transfer-Encoding: chunked', 'Connection: close', '', '';
    my $chunk = sprintf "%x\r\n%s\r\n", 100_000, 'x' x 100_000;
    my $sent = 0;
    $sent++ while $sent < 10 && print $s $chunk;
    like whole($s), qr{^HTTP/1.1 413 |^$}, 'more than may be';
    wait_for(20, sub { row("select state from portal.import where name = 'trop.csv'") eq 'cancelled' });
    is row("select state from portal.import where name = 'trop.csv'"), 'cancelled', 'and it is given up';
}

# the connection is cut
{
    my $s = $c->socket;
    print $s join "\r\n", 'PUT /import/coupe.csv HTTP/1.1', 'Host: ' . $c->{host}, "Authorization: Bearer $key",
        'Content-Length: 1000000', '', '';
    print $s 'x' x 600_000;
    $s->flush;
    ok wait_for(20, sub { row("select coalesce(max(f.stored), 0) from portal.import_file f
        where f.name = 'coupe.csv'") >= 2 }), 'two pieces are there';
    is row("select state from portal.import where name = 'coupe.csv'"), 'filling', 'nobody reads it';
    close $s;
    ok wait_for(20, sub { row("select state from portal.import where name = 'coupe.csv'") eq 'cancelled' }),
        'once it is cut it is given up';
}

# a key that is withdrawn while its body comes
{
    my $s = $c->socket;
    print $s join "\r\n", 'PUT /import/retire.csv HTTP/1.1', 'Host: ' . $c->{host}, "Authorization: Bearer $other",
        'Content-Length: 600000', 'Connection: close', '', '';
    print $s 'x' x 300_000;
    $s->flush;
    ok wait_for(20, sub { row("select coalesce(max(f.stored), 0) from portal.import_file f
        where f.name = 'retire.csv'") >= 1 }), 'a piece is there';
    $portal->psql("select portal.revoke_machine('saint-aubin', 'Autre')");
    print $s 'x' x 300_000;
    like whole($s), qr{^HTTP/1.1 401 .*^WWW-Authenticate: Bearer}ms, 'its key does not count any more';
}

# PostgreSQL is away
{
    my $rights = "grant execute on function portal.store_import(jsonb) to portal_web";
    $portal->psql("revoke execute on function portal.store_import(jsonb) from portal_web");
    is put('/import/x.csv', 'a')->status, 500, 'a fault is told';
    $portal->psql($rights);
    is put('/import/x.csv', 'a')->status, 202, 'and then it is taken';
}
expect_complaint(qr/permission denied for function store_import/);
expect_complaint(qr/store_import.*42501/);
expect_complaint(qr/answered 500/);


### what nobody may read

my $logs = join '', map { slurp($_) // '' } $portal->nginx->error_log, $portal->nginx->access_log;
unlike $logs, qr/\Q$_/, 'no key in a log' for $key, $old, $other;
unlike $logs, qr/Quelquechose/, 'nothing of a file';
my $dump = join '', $portal->psql("select string_agg(t::text, '') from portal.audit t");
unlike $dump, qr/\Q$key\E|Quelquechose/, 'nor in the audit';
is row("select count(*) > 3 from portal.audit where action = 'start_import'"), 't', 'which says what was sent';
is join(' ', glob($portal->nginx->dir . '/*_temp/*/*/*')), '', 'no file is left';

done_testing;
