#!/usr/bin/perl

# Requests and decisions under attack: an old tab of who has left the family,
# fields that are nobody's to send, what is sent twice, and what is sent over
# something old.

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Test;

my $portal = portal();
my $html = client();
sign_in($html, account('couple'));
my $camille = as_json($html);
my $desk = agent_client();
my $agent = as_json($desk);
my ($me) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104201' and g.rank = 1");
my $base = "/famille/responsables/$me/base";
my $address = "/famille/responsables/$me/adresse";

# a guardian of that family with an account made for it
sub connected {
    my ($number, $rank) = @_;

    my $account = new_account();
    $portal->psql("update portal.subscription set ended_at = now() where guardian_id =
            (select g.id from portal.guardian g join portal.family f on f.id = g.family_id
            where f.number = '$number' and g.rank = $rank) and ended_at is null;
        insert into portal.subscription (tenant, account_id, family_id, guardian_id, since,
        effective_at) select g.tenant, $account->{id}, g.family_id, g.id, now(), now()
        from portal.guardian g join portal.family f on f.id = g.family_id
        where f.number = '$number' and g.rank = $rank");
    my $c = client();
    sign_in($c, $account);

    return ($c, $account);
}

sub why {
    my ($r) = @_;

    return join ' ', $r->status, map { "$_->{field}:$_->{code}" } @{ $r->json->{errors} // [] };
}

sub id_of { ($_[0]->json->{location} // '') =~ m{/demandes/(\d+)} ? $1 : undef }

# an open request of Camille's about that field
sub asked {
    my ($field, $value) = @_;

    my $r = json_post($camille, $base, { $field => $value });
    return id_of($r) // die $r->content;
}

sub rows { counted(qw(change_set change_item change_event)) }

sub live { scalar $portal->psql("select $_[0] from portal.guardian where id = $me") }


### T086: who has left the family

{
    my ($c, $account) = connected('104201', 2);
    my $j = as_json($c);
    my $old = $c->get($address);
    my $csrf = $j->get('/session')->json->{csrf};
    my $id = id_of(json_post($j, $address, { complement => 'Étage 5' }));
    my $mine = $c->get("/famille/demandes/$id");
    is $mine->status, 200, 'T086 before';

    $portal->psql("update portal.subscription set ended_at = now() where account_id = $account->{id}");
    my $rows = rows();
    my $r = $c->submit($old, { street => 'rue Vieille', step => 'send' }, form => $address);
    is $r->status, 403, 'T086 an old tab: no request' or diag $r->content;
    $r = $c->submit($mine, {}, form => "/famille/demandes/$id");
    is $r->status, 403, 'T086 nor taken back';
    is $j->post($_->[0], { csrf => $csrf, %{ $_->[1] } })->status, 403, "T086 JSON: $_->[0]"
        for [$address, { street => 'x' }], ["/famille/demandes/$id", {}],
        ['/famille/enfants/ajout', { last_name => 'A', first_name => 'B', birth_date => '2020-01-02' }];
    is rows(), $rows, 'T086 nothing was done';
    my $data = $j->get('/mes-donnees');
    is $data->status, 200, 'T086 what is theirs is left';
    unlike $data->content, qr/Étage 5|\Q@{[ Encode::encode('UTF-8', 'Étage 5') ]}\E/,
        'T086 without what it asked about others';
}


### T100, T101: fields

{
    my $csrf = $camille->get('/session')->json->{csrf};
    my $id = asked(profession => 'Relieuse');
    my $request = $agent->get("/demandes/$id")->json;
    my %ours = (ask => [$camille, $base, "csrf=$csrf&employer=Un"],
        decide => [$agent, "/demandes/$id", "csrf=$request->{csrf}&version=$request->{version}&step=refuse&reason=Non"]);
    my $rows = rows();

    for my $what (sort keys %ours) {
        my ($c, $path, $body) = @{ $ours{$what} };
        my ($field) = $what eq 'ask' ? 'employer' : 'step';
        my $same = $field =~ s/(.)$/sprintf '%%%02x', ord $1/er;
        my @type = (headers => { 'Content-Type' => 'application/x-www-form-urlencoded' });

        is why($c->post($path, "$body&$field=x", @type)), "422 $field:duplicate", "T100 $what: twice";
        is why($c->post($path, "$body&$same=x", @type)), "422 $field:duplicate",
            "T100 $what: twice, written otherwise";
        is why($c->post($path, "$body&$field%5B%5D=x", @type)), "422 $field\[]:unknown_field",
            "T100 $what: a list";
        is why($c->post($path, "$body&$_=1", @type)), "422 $_:unknown_field", "T101 $what: $_"
            for qw(number family_id family section action guardian child state urgent account_id
            validation payer balance tenant due_on taken_by);
        my ($token) = $body =~ /csrf=([^&]+)/;
        is why($c->post($path, { csrf => $token, $_ => 1, $what eq 'decide' ? (step => 'accept') : () })), "422 $_:unknown_field",
            "T101 $what: $_ in JSON" for qw(number section guardian tenant);
    }
    is rows(), $rows, 'T101 nothing was done';
    is why(json_post($camille, $base, { authority => 'no' })), '422 authority:not_editable',
        'T101 what the town only shows';
    my $employer = live('employer');
    my $r = $agent->post("/demandes/$id", { csrf => $request->{csrf}, version => $request->{version},
        step => 'partly', profession => 'accept', employer => 'accept', email => 'accept' });
    is $r->status, 200, 'a decision about what was not asked for';
    is live('employer'), $employer, 'T101 changes nothing of that';
    is scalar($portal->psql("select string_agg(field, ',') from portal.change_item
        where set_id = $id")), 'profession', 'T101 nor adds it to the request';
}


### T104, T106: twice

{
    my $key = '"twice-1"';
    my %send = (employer => 'Reliure du Centre');
    my @r = map { json_post($camille, $base, \%send, headers => { 'Idempotency-Key' => $key }) } 1, 2;
    is $r[0]->status, 200, 'T104 asked';
    is $r[1]->json->{location}, $r[0]->json->{location}, 'T104 the same again: the same receipt';
    my $id = id_of($r[0]);
    is scalar($portal->psql("select count(*) from portal.change_item where asked = '\"$send{employer}\"'")),
        1, 'T104 one request';
    is why(json_post($camille, $base, { employer => 'Autre' }, headers => { 'Idempotency-Key' => $key })),
        '422 :idempotency_mismatch', 'T106 the same key, something else';
    my ($other) = connected('104202', 1);
    my $j = as_json($other);
    my $hers = "/famille/responsables/" . $portal->psql("select g.id from portal.guardian g
        join portal.family f on f.id = g.family_id where f.number = '104202'") . '/base';
    my $r = json_post($j, $hers, { employer => 'Ailleurs' }, headers => { 'Idempotency-Key' => $key });
    is $r->status, 200, 'T106 the same key of somebody else';
    isnt id_of($r), $id, 'T106 is another request';

    my $page = $desk->get("/demandes/$id");
    @r = map { $desk->submit($page, { step => 'accept' }, form => "/demandes/$id") } 1, 2;
    is join(' ', map { $_->status } @r), '303 303', 'T104 a decision sent twice';
    is $r[1]->location, $r[0]->location, 'T104 the same answer';
    is scalar($portal->psql("select count(*) from portal.change_event where set_id = $id
        and event = 'accepted'")), 1, 'T104 counts once';
    $r = $desk->submit($page, { step => 'refuse', reason => 'Non.' }, form => "/demandes/$id");
    is $r->status, 422, 'T106 the same key, another decision';

    $id = asked(employer => 'Encore');
    $page = $html->get("/famille/demandes/$id");
    @r = map { $html->submit($page, {}, form => "/famille/demandes/$id") } 1, 2;
    is join(' ', map { $_->status } @r), '303 303', 'T104 taken back twice';
    is scalar($portal->psql("select count(*) from portal.change_event where set_id = $id
        and event = 'withdrawn'")), 1, 'T104 counts once';
}


### T112, T113, T115: over something old

{
    my $id = asked(profession => 'Doreuse');
    my $etag = $agent->get("/demandes/$id")->header('etag');
    my $of_other = $agent->get('/demandes/' . $portal->psql("select max(id) from portal.change_set
        where state in ('sent', 'taken') and id <> $id"))->header('etag');
    my $decide = sub {
        why(json_post($agent, "/demandes/$id", { step => 'accept' },
            headers => { @_ ? ('If-Match' => $_[0]) : () }));
    };
    my $before = live('profession');

    is $decide->(), '428 :version_needed', 'T112 no version';
    is $decide->("W/$etag"), '412 :version_changed', 'T112 a weak one';
    is $decide->($of_other), '412 :version_changed', "T112 another request's";
    is $decide->('"0"'), '412 :version_changed', 'T112 one that never was';
    is $decide->('*'), '428 :version_needed', 'T112 any: an agent says what was read';
    is live('profession'), $before, 'T112 nothing was written';

    my $form = $camille->get($base)->header('etag');
    is why(json_post($camille, $base, { profession => 'X' }, headers => { 'If-Match' => $_ })),
        '412 :version_changed', "T112 asking over $_" for "W/$form", $etag, '"0"';

    # T115
    for my $case ([$camille, $base, $form], [$camille, "/famille/demandes/$id",
        $camille->get("/famille/demandes/$id")->header('etag')], [$agent, "/demandes/$id", $etag])
    {
        my ($c, $path, $tag) = @$case;
        my $r = $c->get($path, headers => { 'If-None-Match' => $tag });
        is $r->status, 200, "T115 $path: its own, never 304";
        my $other = $c == $agent ? as_json(scalar agent_client(town => 'beaulieu',
            as => agent('validator', 'beaulieu'))) : as_json((connected('104202', 1))[0]);
        $other->{$_} = $c == $agent ? client(town => 'beaulieu', agents => 1)->{$_} : $other->{$_}
            for qw(origin host);
        is $other->get($path, headers => { 'If-None-Match' => $_ })->status, 404,
            "T115 $path: another's, $_" for $tag, '*';
    }

    # T113: the family has asked for something else meanwhile
    my $seen = $agent->get("/demandes/$id")->json;
    my $new = asked(profession => 'Encadreuse');
    is why($agent->post("/demandes/$id", { csrf => $seen->{csrf}, step => 'accept',
        version => $seen->{version} })), '409 :request_gone', 'T113 the former is not accepted';
    is live('profession'), $before, 'T113 nothing was written';
    $seen = $agent->get("/demandes/$new")->json;
    $portal->psql("update portal.guardian set profession = 'Autre' where id = $me");
    is why($agent->post("/demandes/$new", { csrf => $seen->{csrf}, step => 'accept',
        version => $seen->{version} })), '409 :request_changed', 'T113 nor over a file that has moved';

    # T076
    is why($agent->post("/demandes/$new", { step => 'accept', version => $seen->{version} })),
        '403', 'T076 a decision without a token';
    is $agent->post("/demandes/$new", { csrf => $camille->get('/session')->json->{csrf},
        step => 'accept', version => $seen->{version} })->status, 403, "T076 with a parent's";
    is $agent->post("/demandes/$new", { csrf => $seen->{csrf}, step => 'accept',
        version => $seen->{version} }, headers => { Origin => $portal->url,
        'Sec-Fetch-Site' => 'same-site' })->status, 403, "T076 from the families' host";
    is $portal->psql("select state from portal.change_set where id = $new"), 'sent', 'T076 not decided';
}


### T116: what is over stays over

{
    my $id = asked(profession => 'Typographe');
    my $page = $html->get("/famille/demandes/$id");
    my $seen = $agent->get("/demandes/$id")->json;
    my $case = $desk->get("/demandes/$id");
    is $agent->post("/demandes/$id", { csrf => $seen->{csrf}, step => 'refuse', reason => 'Non.',
        version => $seen->{version} })->status, 200, 'refused';
    is $html->submit($page, {}, form => "/famille/demandes/$id")->status, 412,
        'T116 an old page does not take back what was decided'
        if $page->content =~ /name="version"/;
    is why(json_post($camille, "/famille/demandes/$id", {})), '409 :request_decided',
        'T116 nor does a program';
    for my $step (qw(accept take release incomplete partly refuse)) {
        my $now = $agent->get("/demandes/$id")->json;
        is why($agent->post("/demandes/$id", { csrf => $now->{csrf}, step => $step, reason => 'Si.',
            profession => 'accept', version => $now->{version} })), '409 :request_decided',
            "T116 an agent's $step";
    }
    is $desk->submit($case, { step => 'accept' }, form => "/demandes/$id")->status, 409,
        'T116 nor over an old page';

    # an addition that is over is no form any more
    my $r = json_post($camille, '/famille/enfants/ajout', { last_name => 'Petit',
        first_name => 'Rose', birth_date => '2020-05-06' });
    my $add = id_of($r);
    is $camille->get("/famille/enfants/ajout/$add")->status, 200, 'an addition that waits';
    is json_post($camille, "/famille/demandes/$add", {})->status, 200, 'taken back';
    is $camille->get("/famille/enfants/ajout/$add")->status, 404, 'T116 is no form any more';
    is json_post($camille, "/famille/enfants/ajout/$add", { first_name => 'Lis' },
        page => '/session')->status, 404, 'T116 nor to be completed';

    # what is erased is not there
    my $contact = $portal->psql("select min(k.id) from portal.contact k join portal.family f
        on f.id = k.family_id where f.number = '104201'");
    my $child = $portal->psql("select child_id from portal.contact where id = $contact");
    my $path = "/famille/enfants/$child/contacts/$contact/modifier";
    my $open = $html->get($path);
    is $open->status, 200, 'a contact';
    $r = json_post($camille, $path, { first_name => 'Zoé' });
    $id = id_of($r);
    $portal->psql("delete from portal.contact where id = $contact");
    is $html->submit($open, { first_name => 'Zoé' }, form => $path)->status, 404,
        'T116 a contact that is gone is not asked about';
    $seen = $agent->get("/demandes/$id")->json;
    is why($agent->post("/demandes/$id", { csrf => $seen->{csrf}, step => 'accept',
        version => $seen->{version} })), '409 :subject_gone', 'T116 nor accepted';
    is scalar($portal->psql("select count(*) from portal.contact where id = $contact")), 0,
        'T116 and does not come back';
}

done_testing;
