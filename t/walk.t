#!/usr/bin/perl

# A random walk: two guardians ask, change their minds and take back, two agents
# decide, and an import writes into the file meanwhile, over one family, against
# a model in memory.  WALK=steps SEED=number; the seed is printed.

use strict;
use warnings;
use utf8;

use IPC::Open2 qw(open2);

use Portal::Test;

my $steps = $ENV{WALK} // 2000;
my $seed = $ENV{SEED} // time;
srand $seed;
diag "SEED=$seed WALK=$steps";

my $portal = portal();
# more than a person does in an hour
$portal->psql('update portal.town set agent_decisions = 1000000, agent_readings = 1000000');
my ($guardian) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104201' and g.rank = 1");

sub json_client {
    my ($c, %o) = @_;

    my $j = client(%o, json => 1);
    $j->{cookies} = $c->{cookies};
    return $j;
}

my %parent;
for my $who (@{ $portal->demo->{accounts} }[0, 1]) {
    my $c = client();
    sign_in($c, $who);
    $parent{ (split /\./, $who->{email})[0] } = json_client($c);
}
my %agent = (first => json_client(scalar agent_client(), agents => 1),
    second => json_client(scalar agent_client(as => new_agent()), agents => 1));
my %csrf;
for my $c (values %parent) { $csrf{$c} = $c->get('/session')->json->{csrf} }
for my $c (values %agent) { $csrf{$c} = $c->get('/session')->json->{csrf} }

# one psql for the import and for what is looked up; the stack's own starts anew
my ($out, $in);
open2($out, $in, 'psql', $portal->pg->psql_args, qw(-X -q -At)) or die;
binmode $_, ':encoding(UTF-8)' for $out, $in;

sub sql {
    my ($query) = @_;

    print $in "$query;\n\\echo ===\n";
    $in->flush;
    my @lines;
    while (defined(my $line = <$out>)) {
        chomp $line;
        last if $line eq '===';
        push @lines, $line;
    }
    return @lines;
}

my %section = (
    base => { name => 'guardian_basic', table => 'guardian', key => 'id', whole => 0,
        fields => [qw(profession employer birth_place)] },
    adresse => { name => 'guardian_address', table => 'address', key => 'guardian_id',
        whole => 1, fields => [qw(complement locality hosted_by)] },
);
my @VALUES = ('Un', 'Deux', 'Trois', 'Quatre', 'Été à l’œuvre', undef);

my (%live, %set, %open);

for my $path (keys %section) {
    my $s = $section{$path};
    for my $field (@{ $s->{fields} }) {
        my ($value) = sql("select $field from portal.$s->{table} where $s->{key} = $guardian");
        $live{$field} = length($value // '') ? $value : undef;
    }
}

sub same { ($_[0] // "\0") eq ($_[1] // "\0") }
sub pick { $_[rand @_] }

my (%did, @wrong);
sub wrong { push @wrong, "@_"; diag "step: @_" if @wrong < 20 }
sub expect {
    my ($r, $status, $what) = @_;
    wrong($what, 'answered', $r->status, 'not', $status, substr $r->content, 0, 300)
        if $r->status != $status;
    return $r->status == $status;
}


# what was looked at, perhaps long ago: a person with a page open
my (%page, %case);

sub look {
    my $who = pick(sort keys %parent);
    my $path = pick(sort keys %section);
    my $doc = $parent{$who}->get("/famille/responsables/$guardian/$path")->json;

    # kept ready, and built
    my ($ready) = grep { $_->{id} == $guardian }
        @{ $parent{$who}->get('/famille')->json->{guardians} };
    my $built = $parent{$who}->get("/famille/responsables/$guardian")->json->{guardian};
    my $json = JSON::PP->new->canonical;
    wrong("$who reads the file, which is of before") if $json->encode($ready)
        ne $json->encode($built);

    for my $field (@{ $section{$path}{fields} }) {
        my $set = $set{ $open{$who}{$path} // 0 };
        my $shown = $set && exists $set->{items}{$field} ? $set->{items}{$field}{asked}
            : $live{$field};
        wrong("$who opens $path: $field is", $doc->{values}{$field} // 'null', 'not',
            $shown // 'null') if !same($doc->{values}{$field}, $shown);
        wrong("$who opens $path: the file holds", $doc->{current}{$field} // 'null', 'not',
            $live{$field} // 'null') if !same($doc->{current}{$field}, $live{$field});
    }
    $page{$who}{$path} = { version => $doc->{version}, at => fingerprint($who, $path) };
    $did{look}++;
}

# what a page rests on: the section, and the open request of who looks
sub fingerprint {
    my ($who, $path) = @_;

    my $id = $open{$who}{$path};
    my ($all) = sql("select md5(portal.section_values('$section{$path}{name}', $guardian)::text)
        from (select set_config('portal.tenant', '1', false)) x");
    return join ' ', $all, $id // '-', $id ? $set{$id}{version} : '-';
}

sub ask {
    my $who = pick(sort keys %parent);
    my $path = pick(sort keys %section);
    my $c = $parent{$who};
    my @fields = @{ $section{$path}{fields} };
    my %ask = rand() < 0.1 ? (map { $_ => $live{$_} } @fields)
        : map { $_ => pick(@VALUES) } grep { rand() < 0.5 } @fields;
    my $from = rand() < 0.4 ? $page{$who}{$path} : undef;
    my $fresh = !$from || $from->{at} eq fingerprint($who, $path);

    my $r = $c->post("/famille/responsables/$guardian/$path", { csrf => $csrf{$c}, %ask,
        $from ? (version => $from->{version}) : () });
    if (!$fresh) {
        expect($r, 409, "$who asks over an old page");
        $did{'ask, stale'}++;
        return;
    }

    my $old = $open{$who}{$path};
    my %items;
    for my $field (@{ $section{$path}{fields} }) {
        my $asked = exists $ask{$field} ? $ask{$field}
            : $old && exists $set{$old}{items}{$field} ? $set{$old}{items}{$field}{asked}
            : $live{$field};
        $items{$field} = { old => $live{$field}, asked => $asked }
            if !same($asked, $live{$field});
    }

    if (!%items && !$old) {
        expect($r, 422, "$who asks for nothing");
        $did{'ask, nothing'}++;
        return;
    }
    return if !expect($r, 200, "$who asks");
    my ($id) = $r->json->{location} =~ m{/(\d+)};

    if (!%items) {
        wrong("$who withdraws by asking: $id, not $old") if $id != $old;
        move($old, 'withdrawn');
        delete $open{$who}{$path};
        $did{'ask, back'}++;

    } elsif ($old && $set{$old}{state} eq 'incomplete') {
        wrong("$who completes: $id, not $old") if $id != $old;
        $set{$old}{items} = \%items;
        move($old, 'sent');
        $did{'ask, completed'}++;

    } else {
        move($old, 'replaced') if $old;
        $set{$id} = { who => $who, path => $path, items => \%items, state => 'sent',
            version => 1 };
        $open{$who}{$path} = $id;
        $did{ $old ? 'ask, again' : 'ask' }++;
    }
}

sub move { my ($id, $state) = @_; $set{$id}{state} = $state; $set{$id}{version}++ }

sub withdraw {
    my @mine = map { values %$_ } values %open;
    my $id = (rand() < 0.5 && @mine ? pick(sort @mine) : pick(sort keys %set)) // return;
    my $set = $set{$id};
    my $c = $parent{ $set->{who} // return };
    my $r = $c->post("/famille/demandes/$id", { csrf => $csrf{$c} });

    if ($set->{state} =~ /^(sent|taken|incomplete)$/) {
        return if !expect($r, 200, "$set->{who} withdraws");
        move($id, 'withdrawn');
        delete $open{ $set->{who} }{ $set->{path} };
        $did{withdraw}++;
    } else {
        expect($r, $set->{state} eq 'withdrawn' ? 200 : 409, "$set->{who} withdraws what is over");
        $did{'withdraw, late'}++;
    }
}

sub other {
    my ($set) = @_;
    my ($who) = grep { $_ ne $set->{who} } keys %parent;
    my $c = $parent{ pick($who) };
    my ($id) = grep { $set{$_} == $set } keys %set;
    expect($c->get("/famille/demandes/$id"), 404, "$who looks at another's request");
    $did{peep}++;
}

sub rest {      # what a decision rests on
    my ($id) = @_;
    return join ' ', $set{$id}{version}, split(/ /, fingerprint('x', $set{$id}{path}), 2);
}

sub study {
    my $id = pick(sort keys %set) // return;
    my $agent = pick(sort keys %agent);
    my $doc = $agent{$agent}->get("/demandes/$id")->json;
    my %item = map { $_->{field} => $_ } @{ $doc->{items} };

    wrong("$agent reads $id: fields differ")
        if join(' ', sort keys %item) ne join(' ', sort keys %{ $set{$id}{items} });
    for my $field (keys %{ $set{$id}{items} }) {
        my $i = $set{$id}{items}{$field};
        my $got = $item{$field} // next;
        wrong("$agent reads $id: $field") if !same($got->{before}, $i->{old})
            || !same($got->{asked}, $i->{asked}) || !same($got->{now}, $live{$field});
        my $conflict = !same($i->{old}, $live{$field}) && !same($i->{asked}, $live{$field});
        wrong("$agent reads $id: conflict of $field") if !!$got->{conflict} != $conflict;
        $did{conflict}++ if $conflict;
    }
    $case{$agent}{$id} = { version => $doc->{version}, at => rest($id) };
    $did{study}++;
}

sub decide {
    my $agent = pick(sort keys %agent);
    my $c = $agent{$agent};
    my $step = pick(qw(take take take release accept accept accept partly incomplete refuse refuse reverse));
    my $state = $step eq 'reverse' ? qr/^(?:accepted|partly)$/
        : $step eq 'refuse' ? qr/^(?:sent|taken|incomplete)$/ : qr/^(?:sent|taken)$/;
    my @fit = grep { $set{$_}{state} =~ $state } sort keys %set;
    my @others = grep { ($set{$_}{taken} // $agent) ne $agent } @fit;
    my $from = rand();
    my $id = $from < 0.35 && @others ? pick(@others) : $from < 0.8 && @fit ? pick(@fit)
        : pick(sort keys %set) // return;
    my $set = $set{$id};

    study_one($agent, $id) if !$case{$agent}{$id} || rand() < 0.6;
    import_writes($set->{path}) if rand() < 0.2;     # while the agent reads
    my $case = $case{$agent}{$id};
    my %choice = $step eq 'partly' && !$section{ $set->{path} }{whole} ? map { $_ => pick(qw(accept accept refuse)) }
        keys %{ $set->{items} } : ();
    my $reason = $step =~ /partly|incomplete|refuse|reverse/ ? { reason => 'Un motif.' } : {};
    my $fresh = $case->{at} eq rest($id);

    my $r = $c->post("/demandes/$id", { csrf => $csrf{$c}, step => $step, %choice, %$reason,
        version => $case->{version} });
    my $taken = $set->{taken} && $set->{taken} ne $agent && $set->{state} ne 'incomplete';

    if ($set->{state} !~ $state || $step eq 'reverse' && $set->{undone}) {
        expect($r, 409, "$agent: $step of a request that is $set->{state}");
        $did{"$step, late"}++;
    } elsif ($taken && $step !~ /^(take|release)$/) {
        expect($r, 409, "$agent: $step of another's");
        $did{"$step, another's"}++;
    } elsif (!$fresh) {
        expect($r, 409, "$agent: $step over an old page");
        $did{"$step, stale"}++;
    } elsif ($step eq 'partly' && $section{ $set->{path} }{whole}) {
        expect($r, 422, "$agent: half of a whole");
    } elsif (expect($r, 200, "$agent: $step")) {
        $did{$step}++;
        done_with($agent, $id, $step, \%choice, $r);
    }
}

sub study_one {
    my ($agent, $id) = @_;
    my $doc = $agent{$agent}->get("/demandes/$id")->json;
    $case{$agent}{$id} = { version => $doc->{version}, at => rest($id) };
}

sub done_with {
    my ($agent, $id, $step, $choice, $r) = @_;
    my $set = $set{$id};

    if ($step eq 'take')    { move($id, 'taken'); $set->{taken} = $agent; return }
    if ($step eq 'release') {
        return if $set->{state} ne 'taken';
        move($id, 'sent');
        delete $set->{taken};
        return;
    }
    if ($step eq 'incomplete') { move($id, 'incomplete'); return }

    if ($step eq 'reverse') {
        my ($new) = $r->json->{location} =~ m{/(\d+)};
        my @back = grep { ($set->{items}{$_}{state} // '') eq 'accepted' }
            keys %{ $set->{items} };
        $set{$new} = { path => $set->{path}, state => 'accepted', version => 2, items => {
            map { $_ => { old => $live{$_}, asked => $set->{items}{$_}{found},
                found => $live{$_}, state => 'accepted' } } @back } };
        $live{$_} = $set->{items}{$_}{found} for @back;
        $set->{undone} = $new;
        return;
    }

    my %state = map { $_ => $step eq 'accept' || ($choice->{$_} // '') eq 'accept'
        ? 'accepted' : 'refused' } keys %{ $set->{items} };
    my $accepted = grep { $_ eq 'accepted' } values %state;
    for my $field (keys %state) {
        $set->{items}{$field}{state} = $state{$field};
        $set->{items}{$field}{found} = $live{$field};
        $live{$field} = $set->{items}{$field}{asked} if $state{$field} eq 'accepted';
    }
    move($id, $accepted == keys %state ? 'accepted' : $accepted ? 'partly' : 'refused');
    delete $open{ $set->{who} }{ $set->{path} };
}

sub import_writes {
    my $path = shift // pick(sort keys %section);
    my $s = $section{$path};
    my $field = pick(@{ $s->{fields} });
    my $value = pick(@VALUES);
    my $text = defined $value ? "'$value'" : 'null';
    sql("update portal.$s->{table} set $field = $text where $s->{key} = $guardian");
    $live{$field} = $value;
    $did{import}++;
}

my @ACTS = ((\&ask) x 6, (\&look) x 3, \&withdraw, (\&study) x 2, (\&decide) x 6,
    \&import_writes, sub { my @own = grep { $_->{who} } values %set; other(pick(@own)) if @own });

for my $n (1 .. $steps) {
    # from everywhere: what a client may do in a while is not what is walked here
    $_->{source} = '127.0.40.' . ($n % 250 + 1) for values %parent;
    pick(@ACTS)->();
    last if @wrong > 20;
}

is scalar(@wrong), 0, "$steps steps as the model has them";
diag join ', ', map { "$_ $did{$_}" } sort keys %did;

for my $act (qw(ask look withdraw study take release accept partly incomplete refuse reverse
    import conflict), 'ask, again', 'ask, stale', 'ask, completed', 'ask, back', 'accept, stale',
    "accept, another's", 'accept, late')
{
    ok $did{$act}, "it came by: $act" if $steps >= 1000;
}


### the end: the file, the requests, their history and the audit

for my $path (sort keys %section) {
    my $s = $section{$path};
    for my $field (@{ $s->{fields} }) {
        my ($value) = sql("select coalesce($field, '') from portal.$s->{table}
            where $s->{key} = $guardian");
        is $value, $live{$field} // '', "the file's $field";
    }
}

my %got = map { (split /\t/)[0] => $_ } sql("select id || E'\\t' || state || E'\\t' || version
    from portal.change_set order by id");
is_deeply [map { $got{$_} } sort keys %got],
    [map { "$_\t$set{$_}{state}\t$set{$_}{version}" } sort keys %set],
    'each request is where the model has it';

my @items = sql("select set_id || ' ' || field || ' ' || coalesce(old #>> '{}', '-') || ' > '
    || coalesce(asked #>> '{}', '-') || ' ' || coalesce(state, '-') from portal.change_item");
my @model = map { my $id = $_; map { my $i = $set{$id}{items}{$_};
    "$id $_ " . ($i->{old} // '-') . ' > ' . ($i->{asked} // '-') . ' '
    . ($i->{state} // '-') } keys %{ $set{$id}{items} } } keys %set;
is_deeply [sort @items], [sort @model], 'and so is each of its fields';

is_deeply [sql("select count(*) from portal.change_set s where s.version <>
    (select count(*) from portal.change_event e where e.set_id = s.id) or s.version <>
    (select max(e.version) from portal.change_event e where e.set_id = s.id)")], [0],
    'one chain of versions: each is an event';
is_deeply [sql("select count(*) from portal.change_set s where s.state in ('accepted',
    'partly', 'refused') and s.reverses is null and 1 <> (select count(*) from portal.audit a
    where a.object = 'change_set' and a.object_id = s.id and a.action = 'decide'
    and a.outcome = s.state)")], [0], 'each decision is in the audit, once';
is_deeply [sql("select count(*) from portal.audit a where a.action = 'decide' and a.outcome in
    ('accepted', 'partly', 'refused') and not exists (select from portal.change_set s
    where s.id = a.object_id and s.state = a.outcome)")], [0], 'and the audit tells no other';
is_deeply [sql("select count(*) from portal.outbox where template like 'change%'
    and data->>'number' not in (select number from portal.change_set)")], [0],
    'mails tell of requests that there are';

is_deeply [sql('select portal.check_documents()')], [0],
    'what is kept ready of a file is what the file holds';
ok +(sql('select count(*) from portal.family_document'))[0] > 0, 'and some are kept';

close $in;
waitpid -1, 0;

done_testing;
