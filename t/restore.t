#!/usr/bin/perl

# The database comes back as it was at an earlier moment, from a base backup and
# archived WAL, by what docs/operating.md says.  Nobody is let in by what was
# given out since, no browser keeps a page for the other one that has its version
# now, and who reads the feed misses nothing.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Place qw(make_dir own spew top);
use Portal::Test;

my $p = Portal::Stack->new(workers => 2);
$p->prepare;

my ($archive, $base) = map { "$p->{dir}/$_" } qw(archive base);
make_dir($_, 0700, 'postgres') for $archive, $base;

$p->pg->{durable} = 1;
$p->pg->more("archive_mode = on\narchive_command = 'cp %p $archive/%f'\n");
$p->start_database;
$p->start_redis;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);

my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $p->demo->{accounts} };
my $key = $p->machine(name => 'Logiciel', rights => 'feed');
my $machine = client(agents => 1, json => 1);
my ($me) = map { $_->[0] } $p->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104201' order by g.rank");
my $form = "/famille/responsables/$me/base";

sub in { my $c = client(); sign_in($c, $people{ $_[0] }); return as_json($c) }

sub as_postgres {
    my (@command) = @_;

    is system('runuser', '-u', 'postgres', '--', @command), 0, "$command[0]" =~ s/.*\///r;
}

# asked by a parent and accepted by an agent
sub change {
    my ($parent, $agent, $profession) = @_;

    my $r = json_post($parent, $form, { profession => $profession });
    my ($id) = ($r->json->{location} // '') =~ /(\d+)/;
    my $version = $agent->get("/demandes/$id")->json->{version};
    $r = json_post($agent, "/demandes/$id", { step => 'accept', version => $version });
    is $r->status, 200, "$profession: asked and accepted" or diag $r->content;

    return $id;
}

sub profession { return (grep { $_->{id} == $me }
    @{ $_[0]->get('/famille')->json->{guardians} })[0]{profession} }

sub feed {
    my ($after) = @_;

    my $r = $machine->get('/api/changements' . ($after ? "?apres=$after" : ''),
        headers => { Authorization => "Bearer $key" });
    is $r->status, 200, 'the feed' or diag $r->content;

    return $r->json;
}


### as the backup will know it

my ($camille, $desk) = (in('camille'), as_json(scalar agent_client()));

change($camille, $desk, 'Boulangère');
$p->pg->query('checkpoint');
as_postgres(Portal::Database::bin('pg_basebackup'), '-h', $p->pg->socket_dir, '-U', 'postgres',
    '-D', $base, '-c', 'fast', '--no-sync');

change($camille, $desk, 'Apicultrice');
my $before = feed()->{next};
my ($at) = $p->psql("select pg_create_restore_point('noon')");


### what will not have been

my $last = change($camille, $desk, 'Cosmonaute');
my $lost = feed($before);
is scalar @{ $lost->{changes} }, 1, 'the feed goes on';
my $cursor = $lost->{next};
ok $cursor > $before, 'with a place of its own';

# other families', too: PostgreSQL itself passes over a few numbers when it recovers
$p->psql("select nextval('portal.change_position'),
    nextval(pg_get_serial_sequence('portal.change_set', 'id')) from generate_series(1, 100)");
$cursor += 100;

# what is numbered by town, for the first time
sub school { return $p->psql("insert into portal.school (tenant, name, rank) values (1, 'École $_[0]', 1) returning id") }
my $school = school('de demain');

sub version { return $camille->get('/famille')->json->{family}{version} }
my $version = version();

$p->psql("update portal.town set service = 'Espace de demain' where slug = 'saint-aubin'");
ok everywhere(sub { client()->get('/', @_) },
    sub { $_[0]->content =~ /Espace de demain/ }), 'another name of the service';
my $later = in('julien');
is $later->get('/mon-espace')->status, 200, 'somebody logs in';
$p->pg->query('select pg_switch_wal()');
wait_for(20, sub { $p->psql("select count(*) from pg_stat_archiver
    where last_archived_wal >= pg_walfile_name('$at->[0]')") });


### back to noon

$p->stop_nginx;
$p->pg->stop('QUIT');
$p->redis_cli('FLUSHALL');
rename $p->pg->data_dir, "$p->{dir}/lost" or die "rename: $!\n";
rename $base, $p->pg->data_dir or die "rename: $!\n";
spew($p->pg->data_dir . '/recovery.signal', '');
own($p->pg->data_dir . '/recovery.signal', 'postgres');
$p->pg->more("restore_command = 'cp $archive/%f %p'\nrecovery_target_name = 'noon'
recovery_target_action = promote\n");
$p->pg->start;
ok wait_for(20, sub { $p->psql('select pg_is_in_recovery()') eq 'f' }), 'the database is back';

my @args = $p->pg->psql_args;
like scalar(qx{@{[ top() ]}/sql/restored @args 2>&1}), qr/"status" : 200, "towns" : \d+/,
    'sql/restored';
$p->start_nginx;
ok all_ready(), 'and nginx';


### who was logged in, and who logged in since

for ([$camille, 'before'], [$later, 'since']) {
    my ($c, $when) = @$_;
    ok everywhere(sub { $c->get('/mon-espace', @_) },
        sub { $_[0]->status =~ /^(?:303|401)$/ }), "who logged in $when has to again";
}
ok everywhere(sub { $desk->get('/', @_) }, sub { $_[0]->status =~ /^(?:303|401)$/ }),
    'so has the agent';


### the file of noon, whatever caches hold

$camille = in('camille');
is profession($camille), 'Apicultrice', 'what was accepted before noon is there';
ok everywhere(sub { client()->get('/', @_) },
    sub { $_[0]->content !~ /Espace de demain/ }), 'the service has its name';

# as many changes as were lost
$desk = as_json(scalar agent_client());
my $new = change($camille, $desk, 'Dompteuse');
cmp_ok $new, '>', $last + 100, 'the number of a request that was lost is not given again';
cmp_ok version(), '>', $version, 'nor the version of a file';
cmp_ok school('d’hier'), '>', $school, 'nor an id of a town';

my $more = feed($cursor);
is_deeply [map { $_->{new} } @{ $more->{changes} }], ['Dompteuse'],
    'who had read further than noon reads what comes after';

like $p->psql('select portal.audit_verify()'), qr/"status" : 200/, 'the audit is whole';
is $p->psql("select count(*) from portal.audit where action = 'restored'"),
    $p->psql('select count(*) from portal.town'), 'and tells each town';
my $administrator = as_json(scalar agent_client(role => 'administrator'));
my ($told) = grep { $_->{action} eq 'restored' } @{ $administrator->get('/journal')->json->{rows} };
ok $told, 'in its journal';


### mails that waited

like scalar(qx{DROP_MAILS=1 @{[ top() ]}/sql/restored @args 2>&1}),
    qr/^\d+\n.*"mails_waiting" : 0/, 'mails that wait can be let go; twice does no harm';

done_testing;
