#!/usr/bin/perl

# Everybody at once over two families that share children, and a third one:
# guardians ask, take back and leave, agents decide, an import writes, jobs
# run.  Nobody waits for whom waits for them (SQLSTATE 40P01), nothing is
# answered 5xx, and at the end all of it goes together.  SEED=number; it is
# printed.

use Portal::Test;

use strict;
use warnings;
use utf8;

use POSIX ();
use Time::HiRes qw(sleep time);

use Portal::Fault;
use Portal::Place qw(slurp spew);

my $seed = $ENV{SEED} // time % 100_000;
diag "SEED=$seed";

# who waits for long waits in turn, which a slow machine makes longer: only a
# deadlock is to end a wait here
my $p = Portal::Stack->new(nodes => 2, jobs => 'purge=300ms chain=200ms');
$p->{directives} = { portal_database =>
    '"' . $p->pg->conninfo('portal_web') . '" timeout=20s' };
$p->prepare;
$p->start_database;
$p->psql("alter role portal_web in database portal set lock_timeout = '15s';
    alter role portal_web in database portal set statement_timeout = '20s'");
$p->start_redis;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);
# more than a person does in an hour
$p->psql('update portal.town set agent_decisions = 1000000, agent_readings = 1000000');
wait_for(10, sub { client()->get('/')->title =~ /Saint-Aubin/ });

my $seconds = long(20, 120);

# who holds a lock holds it for longer, so that they meet
$p->psql("create function portal.t_dawdle() returns trigger language plpgsql
        as 'begin perform pg_sleep(random() * 0.02); return null; end';
    create trigger t_dawdle after insert on portal.audit
        for each row execute function portal.t_dawdle();
    create trigger t_dawdle after insert on portal.change_event
        for each row execute function portal.t_dawdle();
    create trigger t_dawdle after update on portal.family
        for each statement execute function portal.t_dawdle()");

my @NUMBERS = qw(104201 104202 104203);
my %family = map { $_->[0] => $_->[1] } $p->psql("select number, id
    from portal.family where number in ('" . join("','", @NUMBERS) . "')");
my $families = join ',', values %family;
my @shared = map { $_->[0] } $p->psql("select child_id from portal.child_family
    where family_id = $family{104203} intersect select child_id
    from portal.child_family where family_id = $family{104202}");
cmp_ok scalar @shared, '>=', 2, 'two families share children';

# Thomas reads his file too
my ($thomas) = parent(code => free_code(town => 'saint-aubin',
    situation => 'separated'));
my %who = (Thomas => [$thomas, 104203],
    Sophie => [signed_in(qr/separated/), 104202],
    map { ($_->{email} =~ /^(\w+)/)[0] => [signed_in($_), 104201] }
    grep { $_->{situation} eq 'couple' && $_->{town} eq 'saint-aubin' }
    @{ $p->demo->{accounts} });
is scalar(keys %who), 4, 'four guardians';

sub pick { $_[rand @_] }

# what a process is asked to do until its time is over; tells what it was
# answered: { 200 => 12, 409 => 3 }
my $end = time + $seconds;
my %running;

sub begin {
    my ($name, $code) = @_;

    my $file = $p->dir . "/said-$name";
    my $pid = fork // die "fork: $!\n";
    if ($pid) {
        $running{$pid} = [$name, $file];
        return;
    }

    # no END block of the test runs here
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    srand $seed + length($name) + 31 * ord $name;
    my %said;
    eval {
        while (time < $end) {
            my $r = $code->() // next;
            my $status = ref $r ? $r->status : $r;
            $said{$status}++;
            $said{bad} .= substr($r->content, 0, 300) . "\n"
                if ref $r && $status >= 500;
        }
        1;
    } or $said{bad} .= $@;
    spew($file, join "\0", map { $_ => Encode::encode('UTF-8', $said{$_}) }
        keys %said);
    POSIX::_exit(0);
}


### who asks

sub json_of {
    my ($c, $node) = @_;

    my $j = twin($c, json => 1, node => $node, timeout => 60);

    return ($j, $j->get('/session')->json->{csrf});
}

sub word { pick(qw(Un Deux Trois Quatre Cinq), undef) }

sub asks {
    my ($j, $csrf) = @_;

    my $file = $j->get('/famille')->json // return;
    my $guardian = (pick(@{ $file->{guardians} // [] }) // return)->{id};
    my $child = (pick(@{ $file->{children} // [] }) // return)->{id};
    my $contact = pick(map { $_->[0] } lines("contacts-$child"));
    my $to = "/famille/enfants/$child";
    my %act = (
        "/famille/responsables/$guardian/base" =>
            { profession => word(), employer => word() },
        "/famille/responsables/$guardian/adresse" => { complement => word() },
        "/famille/responsables/$guardian/fiscales" =>
            { reference_income => 10_000 + int rand 50_000 },
        "/famille/responsables/$guardian/retrait" => { comment => 'Parti' },
        '/famille/responsables/ajout' => { last_name => 'Nouveau',
            first_name => pick('Ana', 'Bo'), link => 'other' },
        '/famille/enfants/ajout' => { last_name => 'Nouvel',
            first_name => pick('Éa', 'Ulysse'), birth_date => '2024-02-03' },
        "$to/generales" => { birth_place => pick(qw(Lille Roubaix Douai)) },
        "$to/autorisations" => { image_press => pick(qw(yes no)),
            leave_alone => pick(qw(yes no)) },
        "$to/sante" => { notes => word(), swims => pick(qw(yes no)) },
        "$to/retrait" => { comment => 'Parti' },
        "$to/contacts/nouveau" => { last_name => 'Voisin',
            first_name => pick('Ali', 'Eve'), link => 'neighbour',
            phone_mobile => '06 12 34 56 78', collect => 'yes',
            emergency => 'no' },
        "$to/contacts/interdiction" => { comment => 'Ne doit pas venir' },
        $contact ? (
            "$to/contacts/$contact/modifier" => { collect => pick(qw(yes no)),
                last_name => pick(qw(Martin Durand)) },
            "$to/contacts/$contact/retrait" => { comment => 'Parti' }) : (),
    );
    my $path = pick(sort keys %act);

    # whole families are not to vanish in the first seconds
    return if $path =~ m{(?:responsables|enfants)/\d+/retrait} && rand() < 0.7;

    return $j->post($path, { csrf => $csrf, %{ $act{$path} } });
}

sub takes_back {
    my ($j, $csrf) = @_;

    my $open = ($j->get('/famille/demandes')->json // {})->{open} // return;
    my $one = pick(@$open) // return;

    return $j->post("/famille/demandes/$one->{id}", { csrf => $csrf });
}

# what the import has last seen of a list, without a connection of one's own
sub lines {
    my ($name) = @_;

    return map { [split /\t/] } split /\n/,
        slurp($p->dir . "/list-$name") // '';
}

my $n = 0;
for my $name (sort keys %who) {
    for my $node (1, 2) {
        my ($j, $csrf) = json_of($who{$name}[0], $node);
        begin("$name-$node", sub {
            return rand() < 0.15 ? takes_back($j, $csrf) : asks($j, $csrf);
        });
    }
}


### who decides

for my $node (1, 2, 1) {
    my ($c) = agent_client(as => new_agent());
    my ($j, $csrf) = json_of($c, $node);
    begin('agent-' . ++$n, sub {
        my $queue = ($j->get('/')->json // {})->{requests} // return;
        my $id = rand() < 0.85 ? (pick(@$queue) // return)->{id}
            : 1 + int rand 200;
        my $doc = $j->get("/demandes/$id")->json // return;
        # not there yet; it may be when the act comes
        my $version = $doc->{version} // return;
        my $step = pick(qw(accept accept accept accept partly refuse incomplete
            take release reverse));
        my %each = $step eq 'partly' ? map { $_->{field} =>
            pick(qw(accept refuse)) } @{ $doc->{items} } : ();

        return $j->post("/demandes/$id", { csrf => $csrf, step => $step,
            version => $version, %each,
            $doc->{has_namesakes} ? (other_person => 'yes') : (),
            $step =~ /partly|refuse|incomplete|reverse/
                ? (reason => 'Un motif.') : () });
    });
}


### who imports: the families of whom is written about first, as requests do

begin('import', sub {
    my @some = sort { $a <=> $b } values %family;
    @some = @some[grep { rand() < 0.7 } 0 .. $#some];
    my $in = join ',', @some or return;
    # and who shares a child with them
    my $near = "select y.family_id from portal.child_family x join portal.child_family y
        on y.child_id = x.child_id where x.family_id in ($in)";
    my $word = pick(qw(Import Fichier Mairie));
    my $sql = "begin;
        select 1 from portal.family where id in ($in) or id in ($near) order by tenant, id
            for no key update;
        update portal.guardian set employer = '$word $$' where family_id in ($in);
        update portal.child set diet = 'standard' where id in (select m.child_id
            from portal.child_family m where m.family_id in ($in)
            and not exists (select from portal.child_family o where
                o.child_id = m.child_id and o.family_id not in ($in)));
        update portal.contact set rank = rank where family_id in ($in);
        update portal.address set city_code = '59009' where family_id in ($in);
        commit";
    $p->psql($sql);
    for my $child ($p->psql("select c.child_id, string_agg(c.id::text, ' ')
        from portal.contact c where c.family_id in ($families) group by 1"))
    {
        spew($p->dir . "/list-contacts-$child->[0]",
            join '', map { "$_\n" } split / /, $child->[1]);
    }
    # but for those that somebody is counting in
    $p->psql('delete from portal.attempt where ctid in (select ctid
        from portal.attempt for update skip locked)');
    sleep 0.1;
    return 200;
});

my (%said, %of);
while (%running) {
    my $pid = waitpid -1, 0;
    my ($name, $file) = @{ delete $running{$pid} // next };
    my %one = split /\0/, slurp($file) // "bad\0$name died";
    if (my $bad = delete $one{bad}) { fail "$name: no 5xx"; diag $bad }
    $said{$_} += $one{$_} for keys %one;
    $of{ $name =~ s/-.*//r }{$_} += $one{$_} for keys %one;
}
note explain \%of;
is_deeply [sort grep { !/^(?:200|303|40[1349]|412|422|429)$/ } keys %said], [],
    'no other answer, nothing cut' or diag explain \%of;
cmp_ok $said{200}, '>', 100, "$said{200} acts were done";


### PostgreSQL's own word

my $log = slurp($p->pg->log_file) // '';
my @dead = grep { /deadlock detected/ } split /^/, $log;
is scalar @dead, 0, 'no deadlock'
    or diag join '', (grep { /deadlock|DETAIL|Process|CONTEXT|STATEMENT|while/ }
        split /^/, $log)[0 .. 20];
is scalar(() = $log =~ /^[^\n]*(?:ERROR|FATAL|PANIC):(?!  (?:terminating|no such family))/mg), 0,
    'nor another error, but to who has left the family' or diag grep { /ERROR|CONTEXT|DETAIL/ } split /^/, $log;


### what holds at the end

my %never = (
    'a version without its event' => "select count(*) from portal.change_set s
        where s.version <> (select count(*) from portal.change_event e
            where e.set_id = s.id)",
    'two open requests about the same' => "select count(*) from (select 1
        from portal.change_set where state in ('sent', 'taken', 'incomplete')
        and action <> 'add' and (guardian_id is not null or child_id is not null)
        and (section <> 'child_contact' or action = 'report'
            or contact_id is not null) group by account_id, section, action, guardian_id,
        child_id, contact_id having count(*) > 1) x",
    'a decision that is not in the audit once' => "select count(*)
        from portal.change_set s where s.decided_by is not null
        and s.reverses is null and 1 <> (select count(*) from portal.audit a
            where a.action = 'decide' and a.object_id = s.id
            and a.outcome = s.state)",
    'an audit of no decision' => "select count(*) from portal.audit a
        where a.action = 'decide' and a.outcome in ('accepted', 'partly',
        'refused') and not exists (select from portal.change_set s
            where s.id = a.object_id and s.state = a.outcome)",
    'a request replaced by none' => "select count(*) from portal.change_set s
        where s.state = 'replaced' and 1 <> (select count(*)
            from portal.change_set n where n.replaces = s.id)",
    'a family without a guardian' => "select count(*) from portal.family f
        where f.id in ($families) and not exists (select
            from portal.guardian g where g.family_id = f.id)",
    'a decided item of none' => "select count(*) from portal.change_item i
        join portal.change_set s on s.tenant = i.tenant and s.id = i.set_id
        where (i.state is null) = (s.state in ('accepted', 'partly', 'refused'))",
    'a mail of no request' => "select count(*) from portal.outbox
        where template like 'change%' and data->>'number' not in
        (select number from portal.change_set)",
);
is scalar $p->psql($never{$_}), 0, "never $_" for sort keys %never;

ok wait_for(20, sub {
    $p->psql('select count(*) from portal.audit where chain is null') == 0;
}), 'the audit is chained';
is scalar $p->psql("select portal.audit_verify()->>'status'", 'portal_jobs'),
    200, 'and its chain holds';
is client()->get('/')->status, 200, 'life goes on';

done_testing;
