#!/usr/bin/perl

# Many towns on one server: "portal_tenant $variable".  A town is added and
# erased in the database alone, a name that is none says so, and no town is
# shown to another.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;
use JSON::PP ();

use Portal::Place qw(free_port slurp spew wait_for);

my $p = Portal::Stack->new;
my $port = $p->port;
my $static = $p->dir . '/static/';

$p->{http} = <<"CONF";
    server {
        listen 127.0.0.1:$port;
        server_name ~^(?<commune>[A-Za-z0-9-]+)\\.localhost\$;
        portal_tenant \$commune;
        include conf.d/portal/pages.inc;
        location ^~ /static/ { alias $static; }
        location = /qui { portal_allow public; add_header Town \$portal_tenant; alias /etc/hostname; }
    }
CONF

# and the file that a hosting company copies, without TLS
my $many = free_port();
my $plain = free_port();
$p->{http} .= slurp(top() . '/conf.d/portal/many-towns.conf')
    =~ s/^\s*listen\s+\[::\].*\n//mgr
    =~ s/listen\s+443 ssl http2/listen 127.0.0.1:$many/gr
    =~ s/listen\s+80;/listen 127.0.0.1:$plain;/gr
    =~ s/^\s*ssl_.*\n//mgr
    =~ s{^server \{\s+listen 127\.0\.0\.1:9145;.*?^\}}{}msr
    =~ s{/var/log/nginx}{$p->dir . '/nginx/logs'}egr
    =~ s{/usr/share/portal/static/}{$static}gr;

Portal::Test::adopt($p->start);

# there, by another host's name
sub hosted {
    my ($port, $host, $path, %headers) = @_;

    my @pending = delete $headers{pending} ? (pending => 1) : ();
    my $c = client(town => 'neuville');
    $c->{port} = $port;

    return $c->get($path, headers => { Host => $host, %headers }, @pending);
}

# what an operator does
sub town {
    my ($act, @args) = @_;

    my $in = @args && ref $args[-1] ? ${ pop @args } : '';
    my $file = $p->dir . '/town.in';
    spew($file, $in);

    open my $out, '-|', 'sh', '-c', 'exec "$@" < "$0" 2>&1', $file,
        top() . '/sql/town', $act, @args, $p->pg->conninfo('postgres') or die;
    local $/;
    my $said = <$out>;
    close $out;

    return $said;
}

sub make_town {
    my ($slug, $name, @more) = @_;

    return town('make', JSON::PP->new->utf8->encode({ slug => $slug, name => $name,
        origin => "http://$slug.localhost:$port", phone => '+33353010300',
        email => "mairie\@$slug.example", @more }));
}


# the rows of an export, but for what is of the database that it was made in
sub told {
    my ($export) = @_;

    my $json = JSON::PP->new->canonical;
    # numbers of the town go on, and so there may be rows of them that were not
    my @rows = grep { $_->{table} !~ /^(?:town_number|end)$/ }
        map { $json->decode($_) } split /\n/, $export;

    for (grep { $_->{row} } @rows) {
        delete $_->{row}{$_->{table} eq 'town' ? 'id' : 'tenant'};
        delete @{ $_->{row} }{qw(chain hash)} if $_->{table} eq 'audit';
        # what restore moves on, see come_back()
        delete $_->{row}{version} if $_->{table} =~ /^(?:town|family|change_set)$/;
        delete $_->{row}{ended_at} if $_->{table} =~ /session$/;
    }

    return [sort map { $json->encode($_) } @rows];
}


### a name that is no town's

my $none = client(town => 'nulle-part');
my $page = $none->get('/');
is $page->status, 421, 'no such town';
like $page->title, qr/Aucun portail/, 'and the page says so';
unlike $page->content, qr/Saint-Aubin|Beaulieu/, 'of no other town';
unlike $page->content, qr/href="(?:tel|mailto):/, 'and of nobody to call';

my $json = $none->get('/session', headers => { Accept => 'application/json' });
is $json->status, 421, 'as JSON';
like $json->header('Content-Type'), qr{^application/problem\+json}, 'a problem';

is client(town => 'nulle-part')->post('/inscription', { a => 1 })->status, 421,
    'nor a form of it';
is client(town => 'Maj')->get('/')->status, 421, 'what is no short name is none';
is client(town => 'a' x 64)->get('/')->status, 421, 'nor what is too long';

my $before = metrics()->{portal_call_seconds_count};
my @pages = together(map { client(town => "t$_")->get('/', pending => 1) } 1 .. 200);
is_deeply tally(@pages), { 421 => 200 }, 'two hundred invented names';


### added while nginx runs

like make_town('neuville', 'Neuville-sur-Lys', theme => { brand => '#5b2a86',
    brand_dark => '#3a1a57', brand_light => '#f1e9f8', on_brand => '#ffffff',
    accent => '#f6c453', radius => '0' }), qr/"status" : 201/, 'a town is made';
like make_town('neuville', 'Encore'), qr/town_slug_key/, 'once';
like make_town('vide', 'Vide', phone => undef, email => ''), qr/a town needs phone, email/,
    'what is missing is named';
like make_town('pale', 'Pâle', theme => { brand => '#ffffff' }), qr/town_theme/,
    'its theme is one that can be read';


my $c = client(town => 'neuville');
$page = $c->get('/');
is $page->status, 200, 'a town that was added just now';
like $page->content, qr/Neuville-sur-Lys/, 'has its name';
unlike $page->content, qr/Saint-Aubin/, 'and no other';
my ($sheet) = $page->content =~ m{href="(/theme\.css\?v=[0-9a-f]{8})"};
ok $sheet, 'its theme needs no file';
my $css = client(town => 'neuville')->get($sheet);
is $css->header('Content-Type'), 'text/css; charset=utf-8', 'a style sheet';
like $css->content, qr/--brand: #5b2a86;/, 'in its colours';
is $css->header('Cache-Control'), 'public, max-age=3600', 'which may be kept';
ok !$css->header('Set-Cookie'), 'and is nobody\'s';

my $mine = client(town => 'neuville');
my ($person) = sign_up($mine);
confirm($mine, $person);
is $mine->get('/mon-espace')->status, 200, 'an account of it';

# that cookie is nobody's elsewhere
for my $town ('saint-aubin', 'beaulieu') {
    my $other = client(town => $town);
    $other->cookie('__Host-portal', $mine->cookie('__Host-portal'));
    is $other->get('/mon-espace')->status, 303, "its session is none in $town";
}


### what could pass from one to another in the database

{
    my %of = map { $_->{email} =~ /^(\w+)/ ? ($1 => $_) : () } @{ $p->demo->{accounts} };
    my ($camille, $juliette) = @of{qw(camille juliette)};

    # T091: what is taken elsewhere is free here, and nothing says that it is taken
    my (undef, $sent) = sign_up(client(town => 'beaulieu'), email => $camille->{email});
    my (undef, $fresh) = sign_up(client(town => 'beaulieu'));
    is $sent->status . $sent->title, $fresh->status . $fresh->title, 'T091 an address of another town: the same page';
    is $p->psql("select o.template from portal.outbox o join portal.town t on t.id = o.tenant
        where t.slug = 'beaulieu' and o.recipient = '$camille->{email}'"), 'confirm', 'T091 and the mail of a new account';

    # T092: another town's family is as one that there is not
    my $beaulieu = client(town => 'beaulieu');
    sign_in($beaulieu, $juliette);
    my $theirs = $p->psql("select min(f.id) from portal.family f join portal.town t on t.id = f.tenant where t.slug = 'saint-aubin'");
    my @said = map {
        my ($csrf) = $beaulieu->get('/mon-espace')->content =~ /name="csrf" value="([^"]+)"/;
        my $r = $beaulieu->post('/famille/choix', { csrf => $csrf, family => $_ });
        $r->status . ' ' . $r->title;
    } $theirs, 999_999_999;
    is $said[0], $said[1], 'T092 a family of another town, and none: the same answer';
    like $said[0], qr/^404/, 'T092 not there';

    # T089: cut in the middle of a town's transaction, each connection goes on to
    # the next town with nothing of the first
    my $aubin = client();
    sign_in($aubin, $camille);
    like $aubin->get('/famille')->content, qr/104201/, 'T089 a town, asked before';
    my $busy = "select count(*) from pg_stat_activity where usename = 'portal_web' and wait_event_type = 'Lock'";
    my $pids = sub { join ' ', sort map { $_->[0] } $p->psql("select pid from pg_stat_activity where usename = 'portal_web'") };
    my $before = $pids->();
    my $free = locked('family');
    my @cut = map { $aubin->get('/famille', pending => 1) } 1 .. 24;
    ok wait_for(5, sub { $p->psql($busy) }), 'T089 asked by many';
    my $waiting = $p->psql($busy);
    $_->drop for @cut;
    my @asked = map { $beaulieu->get('/famille', pending => 1) } 1 .. 12;
    $free->();
    my @told = Portal::Pending->pages(@asked);
    is_deeply tally(@told), { 200 => 12 }, "T089 $waiting were cut: the other town is answered";
    is scalar(grep { $_->content =~ /104201|Martin|Saint-Aubin/ } @told), 0, 'T089 with nothing of the first';
    my %now = map { $_ => 1 } split ' ', $pids->();
    is_deeply [grep { !$now{$_} } split ' ', $before], [], 'T089 by the connections of before';
    is $p->psql("select count(*) from pg_stat_activity where usename = 'portal_web' and state like 'idle in%'"), 0,
        'T089 none of which is left in a transaction';
}

# the towns of the configuration are the same ones
is client(town => 'neuville')->get('/qui')->header('Town'), 'neuville', '$portal_tenant';

ok(wait_for(5, sub {
    my $m = metrics();
    grep { /town="neuville"/ } keys %$m;
}), 'counted by its name');
is scalar(grep { /town="t\d+"/ } keys %{ metrics() }), 0, 'and no invented one';


### as conf.d/portal/many-towns.conf has it

like hosted($many, 'neuville.portail.example', '/')->content, qr/Neuville-sur-Lys/, 'its pages';
is hosted($many, 'neuville.agents.portail.example', '/')->status, 303, 'its agents\' pages';
like hosted($many, 'neuville.agents.portail.example', '/connexion')->content,
    qr/Neuville-sur-Lys/, 'are its own';
like hosted($many, 'saint-aubin.portail.example', '/')->content, qr/Saint-Aubin/,
    'and those of another';
is hosted($many, 'nulle-part.portail.example', '/')->status, 421, 'no such town';
is hosted($many, 'portail.example', '/')->status, 404, 'no town\'s name';
is hosted($many, 'a.b.portail.example', '/')->status, 404, 'nor that';
is hosted($plain, 'neuville.portail.example', '/aide')->header('Location'),
    'https://neuville.portail.example/aide', 'without TLS it leads on';
is hosted($plain, 'neuville.agents.portail.example', '/api/changements',
    Authorization => 'Bearer x')->status, 403, 'but nobody who has just sent a key';


# and nothing but that: no server names a town
my $conf = $p->nginx->dir . '/conf/nginx.conf';
my $all = slurp($conf);
my $gated = 'location = /reserve { portal_allow citizen; alias /etc/hostname; }';
spew($conf, $all =~ s{^ {4}server \{\n.*?^ {4}\}\n}{
    $& =~ /portal_tenant\s+[a-z]/ ? '' : $& }mesgr
    =~ s{listen 127\.0\.0\.1:$many;\n\s*server_name ~.*\n\K}{$gated\n}r, 0600);
unlike slurp($conf), qr/portal_tenant\s+[a-z]/, 'no town in the configuration';
$p->nginx->reload;
ok(everywhere(sub { hosted($many, 'neuville.portail.example', '/reserve', pending => 1) },
    sub { $_[0]->status == 303 }), 'the gate stands');
like hosted($many, 'neuville.portail.example', '/aide')->content, qr/Neuville-sur-Lys/,
    'its pages, then, too';
is hosted($many, 'neuville.agents.portail.example', '/')->status, 303, 'and before agents\' pages';
is hosted($many, 'nulle-part.portail.example', '/')->status, 421, 'who is no town is none';
spew($conf, $all, 0600);
$p->nginx->reload;
ok all_ready(), 'as before';

# an answer that a filter has refused does not wait for the town, so it must not
# hold one that is forgotten as soon as the database has said that there is none
for my $n (1 .. 4) {
    my $r = hosted($many, "invente$n.portail.example", '/static/portal.css',
        'If-Match' => '"x"');
    is $r->status, 412, 'refused at once, of no town';
    unlike $r->content, qr/invente/, 'and has nothing of it';
}


### its document changes, each worker hears of it

$p->psql("update portal.town set name = 'Neuville-en-Lys' where slug = 'neuville'");
ok(everywhere(sub { client(town => 'neuville')->get('/', @_) },
    sub { $_[0]->content =~ /Neuville-en-Lys/ }), 'another name');

# what a worker holds for longer than it may is asked for before it is shown: the
# first who comes after a quiet time sees no town of yesterday
for my $path ('/aide', '/connexion', '/inscription') {
    $p->psql("update portal.town set hours = 'essai $path' where slug = 'neuville'");
    sleep 6;
    like client(town => 'neuville')->get($path)->content, qr/essai \Q$path/,
        "the first page after a while is of now: $path";
}


### the database is away: who is unknown is not said not to be there

$p->pg->stop;
my $away = client(town => 'ailleurs')->get('/');
is $away->status, 503, 'a town that nobody can tell';
ok $away->header('Retry-After'), 'when to come again';
is client(town => 'neuville')->get('/aide')->status, 200, 'one that is known is served';
$p->pg->start;
ok(everywhere(sub { client(town => 'ailleurs')->get('/', @_) },
    sub { $_[0]->status == 421 }, 20), 'and then it is said');


### written out, erased, read in

my $subscribed = $p->psql("select count(*) from portal.account a join portal.town t
    on t.id = a.tenant where t.slug = 'neuville'");
is $subscribed, 1, 'one account there';
wait_for(20, sub { !$p->psql('select count(*) from portal.audit where chain is null') });

$p->psql("insert into portal.outbox (tenant, recipient, template, message_id, next_try)
    select id, 'a\@exemple.fr', 'password_changed', 'attend\@exemple.fr', now() + interval '1 day'
      from portal.town where slug = 'neuville'");
my $export = town('export', 'neuville');
my @rows = map { JSON::PP->new->decode($_) } split /\n/, $export;
is_deeply pop @rows, { table => 'end', rows => scalar @rows,
    schema => $p->psql('select max(number) from portal.migration') + 0 }, 'it says where it ends';
ok @rows > 10, scalar(@rows) . ' rows written out';
is scalar(grep { $_->{table} eq 'account' } @rows), 1, 'its account';
is scalar(grep { $_->{table} ne 'town' && $_->{row}{tenant} != $rows[0]{row}{id} } @rows), 0,
    'nothing of others';
unlike $export, qr/Saint-Aubin|Beaulieu/, 'not even a word';
like town('export', 'nulle-part'), qr/no such town/, 'only what is there';

like town('erase', 'neuville', 'Neuville-sur-Lys'), qr/no town of that slug and name/,
    'its name is asked for, as it is now';
like town('erase', 'neuville', 'Neuville-en-Lys'), qr/"status" : 200/, 'erased';
for my $table ($p->psql('select portal.town_tables()')) {
    next if $table->[0] eq 'audit_erased';
    is $p->psql("select count(*) from portal.$table->[0] t
        where not exists (select from portal.town where id = t.tenant)"), 0, $table->[0];
}
like $p->psql('select portal.audit_verify()'), qr/"status" : 200/,
    'the audit of the others can be verified';

ok(everywhere(sub { client(town => 'neuville')->get('/aide', @_) },
    sub { $_[0]->status == 421 }), 'a town that was erased is there no more');
is $mine->get('/mon-espace')->status, 421, 'nor who was logged in';

like town('restore', \"nothing\n"), qr/invalid input syntax/, 'what is no export';
like town('restore', \ join("\n", (split /\n/, $export)[1 .. 3], '')),
    qr/not the export of a town/, 'half of one';
my @other = map { /"table": "account"/ ? s/"account"/"accounts"/r : $_ } split /\n/, $export;
like town('restore', \ join("\n", @other, '')), qr/does not know/, 'one of another version';
my @whole = split /\n/, $export;
for my $gone ([$#whole, 'its end is cut off'], [$#whole - 1, 'a row is missing']) {
    my ($line, $name) = @$gone;
    like town('restore', \ join("\n", @whole[grep { $_ != $line } 0 .. $#whole], '')),
        qr/the export is not whole/, $name;
}
my $older = $export =~ s/"schema": (\d+)/'"schema": ' . ($1 - 1)/er;
like town('restore', \$older), qr/made by another version \(schema \d+, here \d+\)/,
    'nor one whose columns may be others';
is $p->psql("select count(*) from portal.town where slug = 'neuville'"), 0, 'nothing of those';

my $back = town('restore', \$export);
like $back, qr/"status" : 201/, 'read in';
my $again = town('export', 'neuville');
is_deeply told($again), told($export), 'every row as it was';

ok(everywhere(sub { client(town => 'neuville')->get('/aide', @_) },
    sub { $_[0]->status == 200 }), 'and it is back');
is sign_in(client(town => 'neuville'), $person)->status, 303, 'with its accounts';
like town('restore', \$export), qr/duplicate key|already/, 'not twice';
like $back, qr/"mails_waiting" : 1\b/, 'a mail that waited waits again';
town('erase', 'neuville', 'Neuville-en-Lys');
{
    local $ENV{DROP_MAILS} = 1;
    like town('restore', \$export), qr/"status" : 201.*^1$/ms, 'or is dropped, where it was asked for';
}
is_deeply [map { $_->[0] } $p->psql("select o.state || ' ' || t.slug from portal.outbox o
    join portal.town t on t.id = o.tenant where o.message_id = 'attend\@exemple.fr'")],
    ['expired neuville'], 'that one alone';


### workers that end while they ask

my $free = locked('town');
my @asking = map { client(town => "attente-$_")->get('/', pending => 1) } 1 .. 20;
my %old = map { $_ => 1 } $p->nginx->workers;
ok wait_for(5, sub { $p->psql("select count(*) from pg_stat_activity
    where usename = 'portal_web' and wait_event_type = 'Lock'") }), 'they wait for the database';
kill 'TERM', keys %old;
ok wait_for(10, sub { 2 == grep { !$old{$_} } $p->nginx->workers }), 'others take their place';
$_->drop for @asking;
$free->();
Portal::Test::all_ready();
is client(town => 'neuville')->get('/aide')->status, 200, 'and serve';

done_testing;
