#!/usr/bin/perl

# What families ask for about their children: general information,
# authorisations, contacts, who comes and who goes.  Nothing counts before it is
# accepted, and nobody asks about another family's.

use strict;
use warnings;
use utf8;

use Encode ();
use Portal::Pending;
use Portal::Test;

my $portal = portal();
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };

# as an agent decides: what is not refused is accepted, and written into the file
$portal->psql(<<'END');
create function portal.t_accept(p_id bigint, p_refused text[] default '{}') returns text
    language plpgsql as $$
declare
    v_set     portal.change_set;
    v_faults  jsonb;
begin
    perform set_config('role', 'portal_api', true),
            set_config('portal.tenant', '1', true),
            set_config('portal.account', '0', true),
            set_config('portal.family', '0', true);
    select * into v_set from portal.change_set c where c.id = p_id;
    perform portal.lock_subject(v_set.guardian_id, v_set.child_id, v_set.family_id);
    update portal.change_item i
       set state = case when i.field = any (p_refused) then 'refused' else 'accepted' end
     where i.set_id = p_id;
    v_faults := portal.change_faults(v_set);

    if v_faults <> '[]' then
        perform set_config('role', 'none', true);
        return v_faults;
    end if;

    perform portal.change_apply(v_set);
    perform portal.change_step(p_id, 'accepted', 'accepted', 'agent', null);
    perform set_config('role', 'none', true);
    return 'ok';
end
$$
END

sub in {
    my ($person) = @_;

    my $h = client();
    $person = $people{$person} if !ref $person;
    sign_in($h, $person);
    my $j = client(json => 1);
    $j->{cookies} = $h->{cookies};

    return ($h, $j);
}

# the request that an answer leads to
sub request_of {
    my ($r, $what) = @_;

    my $place = $r->location // '';
    $place = join '?avis=', map { $r->json->{$_} // '' } qw(location notice)
        if ($r->header('content-type') // '') =~ /json/;
    my ($id) = $place =~ m{^/famille/demandes/(\d+)\?avis=change_sent};
    ok $id, "$what: sent" or diag $r->status, ' ', $r->content;

    return $id // 0;
}

sub accepted_ok { is scalar $portal->psql("select portal.t_accept($_[0])"), 'ok', $_[1] }

sub row { return scalar $portal->psql($_[0]) }

# the words of a page itself, without what is around it
sub main_of { return $_[0]->text =~ s/^.*?Dossier Famille(?= Mes demandes)//r =~ s/Besoin d’aide.*//r }

sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} } }

my ($ch, $cj) = in('camille');
my ($jh, $jj) = in('julien');
my ($sh, $sj) = in('sophie');
my %child = map { Encode::decode('UTF-8', $_->[0]) => $_->[1] } $portal->psql(
    "select c.first_name || ' ' || m.family_id, c.id from portal.child c
     join portal.child_family m on m.child_id = c.id where c.tenant = 1");
my $leo = $child{'Léo 1'};
my $nina = $child{'Nina 1'};
my $hugo = $child{'Hugo 2'};
my $adam = $child{'Adam 6'};
my $page = "/famille/enfants/$leo";


### general information

my $r = $ch->get("$page/generales");
is $r->status, 200, 'the form';
my %form = @{ $r->form('/generales')->{fields} };
is_deeply [@form{qw(first_name birth_date_day birth_date_year diet school_level)}],
    ['Léo', '12', '2017', 'standard', 'cm1'], 'opens with what the file holds';
ok !exists $form{school_name}, 'the school is the town\'s to say';

$r = $ch->submit($r, { birth_place => 'Roubaix', diet => 'vegetarian', school_class => '' });
my $id = request_of($r, 'general');
$r = $ch->follow($r);
like $r->text, qr/Informations générales · Léo Martin/, 'the receipt';
like $r->text, qr/Lieu de naissance Avant : Lille Demandé : Roubaix/, 'before and asked';
like $r->text, qr/Repas Avant : Repas classique Demandé : Végétarien/, 'a word for each code';
$r = $ch->get($page);
like $r->text, qr/Lieu de naissance Lille/, 'the page has today\'s value';
like $r->text, qr/Modification demandée.*Lieu de naissance Avant : Lille Demandé : Roubaix/,
    'and the asked one beside it';
unlike $jh->get($page)->text, qr/Roubaix/, 'which is the asker\'s alone';
accepted_ok($id, 'accepted');
for my $h ($ch, $jh) {
    my $text = $h->get($page)->text;
    like $text, qr/Lieu de naissance Roubaix.*Classe Non renseigné.*Repas Végétarien/,
        'it is in the file of both';
    unlike $text, qr/Modification demandée/, 'and no longer asked';
}

my $form = $cj->get("$page/generales")->json;
is $form->{current}{birth_place}, 'Roubaix', 'JSON: the form';
is $form->{policy}{school_name}, 'shown', 'JSON: policy';
$r = json_post($cj, "$page/generales", { insurer => 'MAIF', policy => 'A-1',
    until => '2027-08-31', version => $form->{version} });
$id = request_of($r, 'JSON general');
my $asked = $cj->get($page)->json->{sections}{child_general}{asked};
is_deeply { map { $_->{field} => $_->{asked} } @{ $asked->{items} } },
    { insurer => 'MAIF', policy => 'A-1' }, 'JSON: what differs is asked, no more';
accepted_ok($id, 'JSON: accepted');
is_deeply $jj->get($page)->json->{child}{insurance},
    { insurer => 'MAIF', policy => 'A-1', until => '2027-08-31' }, 'JSON: in the file';

for ([{ birth_date => '2031-01-01' }, 'birth_date:date_future', 'born tomorrow'],
    [{ birth_date => '2001-01-01' }, 'birth_date:age_high', 'no child'],
    [{ diet => 'halal' }, 'diet:choice', 'a meal, never a religion'],
    [{ last_name => undef }, 'last_name:required', 'a name'],
    [{ insurer => undef }, 'insurer:required', 'a contract without an insurer'],
    [{ school_name => 'Ailleurs' }, 'school_name:not_editable', 'the town\'s field'],
    [{ comment => 'Numéro 1 85 05 78 006 084 36' }, 'comment:private_nir', 'no NIR'],
    [{ diet => 'vegetarian' }, ':nothing_asked', 'nothing new'])
{
    my ($fields, $codes, $what) = @$_;
    $r = json_post($cj, "$page/generales", $fields);
    is $r->status, 422, "422: $what";
    is codes($r), $codes, "$what: said";
}
$r = $ch->submit($ch->get("$page/generales"), { birth_date_year => '2031' });
is $r->status, 422, 'HTML: born tomorrow';
like $r->text, qr/Cette date n’est pas encore arrivée/, 'HTML: said beside the field';

$portal->psql("delete from portal.schooling where child_id = $nina");
$form = $cj->get("/famille/enfants/$nina/generales")->json;
ok !exists $form->{policy}{school_level}, 'no level where there is no school';
is codes(json_post($cj, "/famille/enfants/$nina/generales", { school_level => 'cp' })),
    'school_level:school_first', 'nor can it be asked for';
$portal->psql("insert into portal.field_policy (tenant, section, field, policy)
    values (1, 'child_general', 'school_name', 'editable')");
$id = request_of(json_post($cj, "/famille/enfants/$nina/generales",
    { school_name => 'École du Port', school_level => 'cp' }), 'where the town lets them');
accepted_ok($id, 'a school of this year');
is row("select name || ' ' || level from portal.schooling where child_id = $nina
    and year = portal.school_year()"), Encode::encode('UTF-8', 'École du Port cp'), 'is there';
$portal->psql("delete from portal.field_policy");


### authorisations: shown again before they are sent, of the day of the request

$r = $ch->get("$page/autorisations");
like $r->text, qr/J’autorise la publication d’images de mon enfant sur le site/,
    'the text that is agreed to';
%form = @{ $r->form('/autorisations')->{fields} };
is $form{image_web}, 'no', 'opens with today\'s answer';
is $form{leave_alone}, 'unanswered', 'nothing is ticked before one has answered';
$r = $ch->submit($r, { leave_alone => 'yes', image_web => 'yes', swimming => 'unanswered',
    step => 'check' });
is $r->status, 200, 'the check';
like $r->text, qr/Rentrer seul Avant : Sans réponse Demandé : Accordée/, 'says what is asked';
is row("select count(*) from portal.change_set where section = 'child_authorisations'"), 0,
    'and stores nothing';
$r = $ch->submit($r, { step => 'send' });
$id = request_of($r, 'authorisations');
is row("select answer from portal.authorisation where child_id = $leo
    and code = 'leave_alone'"), 'unanswered', 'nothing counts before';
$portal->psql("update portal.change_set set created_at = now() - interval '3 days' where id = $id");
accepted_ok($id, 'accepted');
is row("select string_agg(code || ' ' || answer || ' '
        || coalesce((current_date - answered_on)::text, '-'), ', ' order by code)
        from portal.authorisation where child_id = $leo
         and code in ('leave_alone', 'image_web', 'swimming')"),
    'image_web yes 3, leave_alone yes 3, swimming unanswered -',
    'the day is that of the request';
my %answers = map { $_->{code} => $_->{answer} }
    @{ $jj->get($page)->json->{child}{authorisations} };
is $answers{leave_alone}, 'yes', 'the other guardian reads it';
$id = request_of(json_post($cj, "$page/autorisations", { hospital => 'no' }), 'JSON');
accepted_ok($id, 'JSON: accepted');
is row("select answer || (answered_on = current_date) from portal.authorisation
    where child_id = $leo and code = 'hospital'"), 'notrue', 'JSON: in the file';


# what was agreed to: the text that was read, the school year it holds for

{
    my ($year, $now) = @{ ($portal->psql("select portal.answer_year_of(portal.today()), portal.school_year()
        from set_config('portal.tenant', '1', false)"))[0] };
    my $answer = sub {
        my ($code, $doc) = @_;
        return (grep { $_->{code} eq $code } @{ ($doc // $jj->get($page)->json)->{child}{authorisations} })[0];
    };
    my $kept = $answer->('leave_alone');
    like $kept->{text}, qr/^J’autorise mon enfant à rentrer seul/, 'the text that was read';
    is $kept->{school_year}, $year, 'the school year';
    my ($family) = grep { $_->{id} == $leo } @{ $jj->get('/famille')->json->{children} };
    is_deeply $answer->('leave_alone', { child => $family }), { map { $_ => $kept->{$_} }
        qw(code answer date school_year) }, 'the whole file has all but the text';
    like $jh->get($page)->text, qr/Rentrer seul Texte lu J’autorise mon enfant à rentrer seul.{60,100} Accordée \d+ \S+ \d{4} $year/s,
        'the page says all of it';
    like $jh->get($page)->text, qr/L’année en cours est $now/, 'and how long it holds';
    is_deeply [map { $_->{agreement} } @{ $cj->get("/famille/demandes/$id")->json->{request}{items} }],
        [{ date => row('select current_date'), school_year => $year, text => $cj->get("$page/autorisations")
            ->json->{hints}{hospital} }], 'so does the request';
    like $ch->get("/famille/demandes/$id")->text, qr/Refusée \d+ \S+ \d{4} · Année scolaire : $year Texte lu : En cas d’urgence/,
        'and its page';

    # the town writes another one
    $r = $ch->get("$page/autorisations");
    my $old = $answer->('transport');
    $portal->psql("insert into portal.authorisation_text (tenant, code, lang, text)
        select 1, c, 'fr', 'Nouvelle rédaction : ' || c from unnest(array['transport', 'leave_alone']) c");
    my $other = $ch->submit($r, { transport => $old->{answer} eq 'yes' ? 'no' : 'yes', step => 'send' });
    is $other->status, 409, 'nobody agrees to a text that they have not read';
    like $other->text, qr/Nouvelle rédaction : transport/, 'it is shown';
    is $answer->('leave_alone')->{text}, $kept->{text}, 'what was agreed to stays';
    my $yes = request_of(json_post($cj, "$page/autorisations", { transport => 'yes', leave_alone => 'no' }),
        'by the new one');
    my $desk = agent_client();
    like $desk->get("/demandes/$yes")->text, qr/Refusée \d+ \S+ \d{4} · Année scolaire : $year Texte lu : Nouvelle rédaction : leave_alone/,
        'the agent reads which';
    my $agent = agent_client(json => 1);
    my $seen = $agent->get("/demandes/$yes")->json;
    is((grep { $_->{field} eq 'leave_alone' } @{ $seen->{items} })[0]{agreement}{text},
        'Nouvelle rédaction : leave_alone', 'JSON: as well');
    is json_post($agent, "/demandes/$yes", { step => 'accept', version => $seen->{version} })->status, 200,
        'accepted';
    is $answer->('leave_alone')->{text}, 'Nouvelle rédaction : leave_alone', 'in the file';
    $seen = $agent->get("/demandes/$yes")->json;
    is json_post($agent, "/demandes/$yes", { step => 'reverse', reason => 'Erreur', version => $seen->{version} })
        ->status, 200, 'undone';
    is_deeply $answer->('leave_alone'), $kept, 'with answer, day, year and text of before';

    # the year is over
    $portal->psql("update portal.authorisation set school_year = '2019-2020', answered_on = '2020-01-02'
        where child_id = $leo and code = 'hospital'");
    is $answer->('hospital')->{school_year}, '2019-2020', 'an answer of a year that is over says so';
    is $cj->get("$page/autorisations")->json->{current}{hospital}, 'unanswered', 'and is asked again';
    my $again = request_of(json_post($cj, "$page/autorisations", { hospital => 'no' }), 'the same again');
    accepted_ok($again, 'accepted');
    is_deeply [@{ $answer->('hospital') }{qw(answer school_year)}], ['no', $year], 'for this year';
    is $answer->('leave_alone')->{text}, $kept->{text}, 'the others are as they were';
    my ($data) = grep { $_->{of}{id} == $leo } map { @{ $_->{children} } } @{ $cj->get('/mes-donnees')->json->{families} };
    is $answer->('leave_alone', { child => $data->{of} })->{text}, $kept->{text}, '« Mes données » too';
    like $ch->get('/mes-donnees.csv')->content, qr/"Rentrer seul";"Texte lu";"J/, 'and as a file';
}


### contacts

my %jeanne = (last_name => 'Vasseur', first_name => 'Jeanne', link => 'neighbour',
    phone_mobile => '06 12 34 56 78', collect => 'yes', emergency => 'no');
my $new = "$page/contacts/nouveau";

$r = $ch->get($new);
like $r->title, qr/^Ajouter un contact/, 'the form of a new contact';
like $ch->get($page)->links->{$new} // '', qr/Ajouter un contact/, 'is led to';
$r = $ch->submit($r, { %jeanne, phone_mobile => '' });
is $r->status, 422, 'without a telephone: no';
like $r->text, qr/au moins un numéro de téléphone/, 'said';
$r = $ch->submit($r, { phone_mobile => '06 12 34 56 78' });
$id = request_of($r, 'a contact');
like $ch->get($page)->text, qr/Ajouter un contact · Jeanne Vasseur.*Nom Vasseur/,
    'shown on the child\'s page, with nothing before';
unlike $ch->get($page)->text, qr/Jeanne Vasseur Voisin/, 'not among those who count';
is row("select urgent from portal.change_set where id = $id"), 'f', 'not urgent';
my $mail = letter('julien.martin@exemple.fr', 'contact_asked');
ok $mail, 'the other guardian is told';
like $mail->{subject}, qr/^Un responsable demande que quelqu’un puisse venir chercher Léo/, 'that it is asked for';
like $mail->{text}, qr/Jeanne Vasseur \(Voisin ou voisine\)/, 'name and link';
like $mail->{text}, qr/Léo/, 'of which child';
unlike $mail->{text} =~ s/\s//gr, qr/612345678|0612345678/, 'and no more than that';
is row("select count(*) from portal.outbox where template = 'contact_asked'
    and recipient = 'camille.martin\@exemple.fr'"), 0, 'not to who asked';

# mended: the same request is replaced, and nobody told twice
my $edit = $cj->get("/famille/demandes/$id")->json->{request}{edit};
is $edit, "$new/$id", 'an addition has its own form again';
is $jj->get("$new/$id")->status, 404, 'for who asked alone';
%form = @{ $ch->get($edit)->form($edit)->{fields} };
is $form{last_name}, 'Vasseur', 'which is filled';
$r = $ch->submit($ch->get($edit), { emergency => 'yes', rank => '2' });
my $second = request_of($r, 'mended');
is row("select state from portal.change_set where id = $id"), 'replaced', 'the first is replaced';
is row("select count(*) from portal.outbox where template = 'contact_asked'"), 1,
    'and nobody told twice';
is $ch->get("$new/$id")->status, 404, 'its form is gone';

# another beside it
my $third = request_of(json_post($cj, $new, { %jeanne, first_name => 'Paule',
    phone_mobile => undef, phone_home => '0320123456', collect => 'no' }), 'JSON: another');
is scalar @{ $cj->get($page)->json->{sections}{contacts}{asked} }, 2, 'both are open';
is codes(json_post($cj, $new, { %jeanne, collect => undef, link => undef })),
    'link:required collect:required', 'JSON: what must be said';
accepted_ok($second, 'the first accepted');
accepted_ok($third, 'the other too');
my @contacts = @{ $jj->get($page)->json->{child}{contacts} };
is join(' ', map { $_->{first_name} } @contacts),
    'Françoise Jeanne Hervé Paule', 'each in its place, and both guardians read them';
is_deeply [@{ $contacts[1] }{qw(phone_mobile link)}], ['+33612345678', 'neighbour'], 'as asked';
ok $contacts[1]{collect} && $contacts[1]{emergency} && !$contacts[3]{collect}, 'yes and no';
my $jeanne = $contacts[1]{id};
is row("select contact_id from portal.change_set where id = $second"), $jeanne,
    'the request names whom it added';

# a change of its place
$r = $ch->submit($ch->get("$page/contacts/$contacts[3]{id}/modifier"), { rank => '1' });
accepted_ok(request_of($r, 'place'), 'accepted');
is join(' ', map { "$_->{rank}$_->{first_name}" } @{ $jj->get($page)->json->{child}{contacts} }),
    '1Paule 2Françoise 3Jeanne 4Hervé', 'the others close up';

# who may collect the child is told anew, and withdrawing it is urgent
my $told = "select count(*) from portal.outbox where template = 'contact_asked'";
$r = json_post($cj, "$page/contacts/$contacts[3]{id}/modifier", { collect => 'yes' });
$id = request_of($r, 'may collect now');
is row($told), 2, 'told';
is row("select urgent from portal.change_set where id = $id"), 'f', 'which can wait';
accepted_ok($id, 'accepted');
$r = json_post($cj, "$page/contacts/$contacts[3]{id}/modifier", { first_name => 'Paulette' });
$id = request_of($r, 'somebody else');
is row($told), 3, 'another name is told too';
$r = json_post($cj, "$page/contacts/$contacts[3]{id}/modifier",
    { first_name => 'Paule', collect => 'no' });
my $no = request_of($r, 'no more');
is row("select urgent || state from portal.change_set where id = $no"), 'truesent',
    'withdrawing is urgent';
is row("select state from portal.change_set where id = $id"), 'replaced', 'and replaces';
is row($told), 3, 'nobody is told of that';
is codes(json_post($cj, "$page/contacts/$jeanne/modifier", { phone_mobile => undef })),
    'phone_mobile:phone_needed', 'a contact keeps a telephone';

# from when, until when: what is less is urgent, what is more is told
{
    my $form = "$page/contacts/$jeanne/modifier";
    my $day = sub { row("select portal.today() + $_[0]") };
    my $words = sub {
        my ($y, $m, $d) = map { 0 + $_ } split /-/, $_[0];
        return sprintf '%s %s %d', $d == 1 ? '1er' : $d, (qw(janvier février mars avril mai juin
            juillet août septembre octobre novembre décembre))[$m - 1], $y;
    };
    my $boxes = sub {
        my ($name, $date) = @_;
        my %part;
        @part{qw(year month day)} = split /-/, $date;
        return map { +"${name}_$_" => $part{$_} } keys %part;
    };
    my $dates = sub { join ' ', map { "$_->{field} " . ($_->{asked} // '-') } @{
        $cj->get("/famille/demandes/$_[0]")->json->{request}{items} } };
    my $mine = sub { (grep { $_->{id} == $jeanne } @{ $_[0]{contacts} })[0] };
    my $urgent = sub { row("select urgent from portal.change_set where id = $_[0]") };
    my $past = $day->(-2);

    my $r = $ch->get($form);
    like $r->text, qr/Valable à partir du.*Laissez vide/, 'the dates, and what an empty one means';
    like $r->text, qr/Cette personne doit savoir qu’elle est nommée ici/, 'who is named is to be told';
    my $wrong = $ch->submit($r, { $boxes->('valid_from', '2040-05-06'),
        $boxes->('valid_until', '2040-05-05') });
    is $wrong->status, 422, 'an end before the beginning: no';
    like $wrong->text, qr/Le dernier jour ne peut pas être avant le premier/, 'said';
    is { @{ $wrong->form($form)->{fields} } }->{valid_until_day}, '05', 'nothing typed is lost';
    is $ch->submit($r, { valid_until_day => '31', valid_until_month => '2',
        valid_until_year => '2040' })->status, 422, 'a day that is none: no';
    $wrong = $ch->submit($r, { $boxes->('valid_until', $past) });
    is $wrong->status, 422, 'an end that is past: no';
    like $wrong->text, qr/Ce jour est déjà passé/, 'said';
    for ([{ valid_from => '2040-05-06', valid_until => '2040-05-05' }, 'valid_until_early'],
        [{ valid_until => $past }, 'valid_until_past'], [{ valid_until => '2040-02-30' },
        'date_format'], [{ valid_until => '1999-12-31' }, 'date_range'])
    {
        is codes(json_post($cj, $form, $_->[0])), "valid_until:$_->[1]", "JSON: $_->[1]";
    }
    is codes(json_post($cj, $new, { %jeanne, first_name => 'Anne', valid_until => $past })),
        'valid_until:valid_until_past', 'nor of a new one';
    is row("select count(*) from portal.change_set where contact_id = $jeanne
        and action = 'change'"), 0, 'nothing asked by all that';

    # from no limit to a term: urgent
    my ($first, $last) = ($day->(10), $day->(20));
    my $told = row("select count(*) from portal.outbox where template = 'contact_asked'");
    my $tell = sub { row("select count(*) - $told from portal.outbox
        where template = 'contact_asked'") };
    my $id = request_of($ch->submit($r, { $boxes->('valid_from', $first),
        $boxes->('valid_until', $last) }), 'a term');
    is $dates->($id), "valid_from $first valid_until $last", 'asked';
    is $urgent->($id), 't', 'fewer days of who may collect: urgent';
    is $tell->(), 0, 'nobody is told of fewer days';
    my ($from, $until) = map { $words->($_) } $first, $last;
    my $none = 'Avant : Non renseigné Demandé :';
    like $ch->get($page)->text, qr/Valable à partir du $none $from Valable jusqu’au $none $until/,
        'shown as asked';
    my $three = "Non renseigné Non renseigné $until";
    like agent_client()->get("/demandes/$id")->text,
        qr/déclaré par la famille, non validé.*Valable jusqu’au $three/,
        'agents read what was seen, what holds, what is asked';
    ok !defined $mine->($jj->get($page)->json->{child})->{valid_from}, 'nothing counts before';
    accepted_ok($id, 'accepted');
    like $jh->get($page)->text, qr/Jeanne Vasseur À partir du $from Voisin.*?Du $from au $until/,
        'the other guardian reads it, and that it is to come';
    my $k = $mine->($jj->get($page)->json->{child});
    is_deeply [@$k{qw(valid_from valid_until)}, map { $_ ? 1 : 0 } @$k{qw(to_come ended)}],
        [$first, $last, 1, 0], 'JSON: the same';
    ($k) = map { $mine->($_) } grep { $_->{id} == $leo } @{ $jj->get('/famille')->json->{children} };
    is_deeply [@$k{qw(valid_from valid_until to_come ended)}], [$first, $last, undef, undef],
        'JSON: the file has the dates';
    my ($data) = map { $mine->($_->{of}) } grep { $_->{of}{id} == $leo }
        map { @{ $_->{children} } } @{ $jj->get('/mes-donnees')->json->{families} };
    is $data->{valid_until}, $last, 'JSON: so have one\'s own data';
    like $jh->get('/mes-donnees')->text, qr/Valable à partir du $from Valable jusqu’au $until/,
        'and their page';
    my $csv = join '/', reverse split /-/, $last;
    like Encode::decode('UTF-8', $jh->get('/mes-donnees.csv')->content),
        qr/"Vasseur";"Valable jusqu’au";"$csv"/, 'and CSV';

    # more days: told, not urgent
    $id = request_of(json_post($cj, $form, { valid_until => $day->(30) }), 'more days');
    is $urgent->($id), 'f', 'which can wait';
    is $tell->(), 1, 'and is told as a new one is';
    $id = request_of(json_post($cj, $form, { valid_until => $day->(15) }), 'fewer instead');
    is $urgent->($id), 't', 'urgent';
    is $tell->(), 1, 'nobody is told';
    $id = request_of(json_post($cj, $form, { valid_from => undef, valid_until => $day->(0) }),
        'until today');
    is $urgent->($id), 't', 'other days, fewer at the end: urgent';
    is $tell->(), 2, 'and told';
    accepted_ok($id, 'accepted');
    $k = $mine->($jj->get($page)->json->{child});
    is_deeply [map { defined ? $_ ? 1 : 0 : undef } @$k{qw(valid_from to_come ended)}],
        [undef, undef, 0], 'today counts';

    # past: said where it is read, whatever is kept ready; the rest can change
    $portal->psql("update portal.contact set valid_until = '$past' where id = $jeanne");
    $until = $words->($past);
    like $jh->get($page)->text, qr/Jeanne Vasseur Terminé Voisin.*?Jusqu’au $until/, 'ended';
    ok $mine->($jj->get($page)->json->{child})->{ended}, 'JSON: ended';
    is row('select portal.check_documents()'), 0, 'what is kept ready is right any day';
    $id = request_of($ch->submit($ch->get($form), { phone_home => '03 20 12 34 57' }),
        'a telephone of who has ended');
    is $dates->($id), 'phone_home +33320123457', 'no other field';
    accepted_ok($id, 'accepted');
    $id = request_of(json_post($cj, $form, { valid_until => undef }), 'back without limit');
    is $tell->(), 3, 'who may collect again is told';
    accepted_ok($id, 'accepted');
    like $jh->get($page)->text, qr/Jeanne Vasseur Voisin.*?Sans limite/, 'no mark any more';
}

# removing
$r = $ch->get("$page/contacts/$jeanne/retrait");
like $r->text, qr/Retirer un contact Jeanne Vasseur/, 'the form';
my $empty = $ch->submit($r, { comment => '' });
is $empty->status, 422, 'words are compulsory';
like $empty->text, qr/Écrivez quelques mots/, 'said';
$id = request_of($ch->submit($r, { comment => "Elle a déménagé.\nMerci" }), 'a removal');
is row("select urgent from portal.change_set where id = $id"), 't', 'who may collect: urgent';
like $ch->get("/famille/demandes/$id")->text, qr/Retirer un contact · Jeanne Vasseur.*déménagé/,
    'the receipt';
like $ch->get($page)->text, qr/Retirer un contact · Jeanne Vasseur/, 'shown on the page';
like $ch->get($page)->text, qr/Jeanne Vasseur Voisin/, 'the contact counts meanwhile';
my $both = request_of(json_post($jj, "$page/contacts/$jeanne/modifier", { rank => 1 }),
    'the other guardian asks for something else');
accepted_ok($id, 'the removal accepted');
is join(' ', map { $_->{first_name} } @{ $cj->get($page)->json->{child}{contacts} }),
    'Paule Françoise Hervé', 'gone';
is $ch->get("$page/contacts/$jeanne/modifier")->status, 404, 'so is its form';
like row("select portal.t_accept($both)"), qr/subject_gone/, 'what was asked of it cannot be';
is $jj->get("/famille/demandes/$both")->json->{request}{edit}, undef, 'nor mended';
is $jj->get("/famille/demandes/$both")->status, 200, 'but read';

# copied from a brother or sister
my ($theirs) = $portal->psql("select k.id, k.first_name, k.last_name, k.phone_mobile
    from portal.contact k where k.child_id = $nina and k.rank = 3");
my ($copy, @name) = map { Encode::decode('UTF-8', $_) } @$theirs;
$r = $ch->get($new);
like $r->links->{"?copie=$copy"} // '', qr/\Q$name[0] $name[1]/, 'a sister\'s contact is offered';
%form = @{ $ch->get("$new?copie=$copy")->form($new)->{fields} };
$form{phone_mobile} =~ s/^0|\s//g;
is_deeply [@form{qw(first_name last_name)}, "+33$form{phone_mobile}"], \@name,
    'and begins the form';
accepted_ok(request_of($ch->submit($ch->get("$new?copie=$copy"), {}), 'the copy'), 'accepted');
is row("select count(distinct (valid_from, valid_until)) || ' ' || count(valid_until)
    from portal.contact where family_id = 1 and rank in (3, 4)
    and (last_name, first_name) = (select last_name, first_name from portal.contact
    where id = $copy)"), '1 2', 'with its dates';
unlike $ch->get($new)->content, qr/copie=$copy\b/, 'once is enough';
my $foreign = row("select k.id from portal.contact k where k.child_id = $adam limit 1");
for my $wrong ($foreign, $copy + 100000, 'x', $contacts[0]{id}) {
    is $_->get("$new?copie=$wrong")->status, 404, "nobody else's: $wrong" for $ch, $cj;
}


### a child of two families: each household has its own contacts

my $code = free_code(guardian => 'Thomas Moreau');
my ($th, $thomas) = parent(code => $code);
my $tj = client(json => 1);
$tj->{cookies} = $th->{cookies};
is $th->get("/famille/enfants/$hugo")->status, 200, 'Thomas reads of Hugo';
$id = request_of(json_post($sj, "/famille/enfants/$hugo/contacts/nouveau",
    { %jeanne, first_name => 'Odile' }), 'Sophie adds a contact');
$mail = letter($thomas->{email}, 'contact_asked');
like $mail->{text}, qr/Odile Vasseur \(Voisin ou voisine\)/, 'the other household is told';
accepted_ok($id, 'accepted');
like $sh->get("/famille/enfants/$hugo")->text, qr/Odile Vasseur Voisin/, 'Sophie\'s list';
unlike $th->get("/famille/enfants/$hugo")->text, qr/Odile Vasseur/, 'Thomas has his own';
my $hers = row("select id from portal.contact where first_name = 'Odile'");
for my $path ("contacts/$hers/modifier", "contacts/$hers/retrait") {
    is $th->get("/famille/enfants/$hugo/$path")->status, 404, "not Thomas': $path";
    is json_post($tj, "/famille/enfants/$hugo/$path", { comment => 'Non merci' },
        page => '/famille')->status, 404, "nor by POST: $path";
}


### what agents alone see

my $SECRET = 'jugement du 3 mars, Jean Valjean';
$r = $ch->get("$page/contacts/interdiction");
like $r->text, qr/Seuls les agents de la mairie lisent ce signalement/, 'the form says who reads it';
is $ch->submit($r, { comment => '' })->status, 422, 'words are compulsory';
$id = request_of($ch->submit($r, { comment => $SECRET }), 'a report');
is row("select urgent || action from portal.change_set where id = $id"), 'truereport', 'urgent';
like $ch->get("/famille/demandes/$id")->text, qr/Valjean/, 'who reported it reads it';
my $before = row('select count(*) from portal.outbox');
accepted_ok($id, 'recorded');
is row("select words from portal.collect_ban where child_id = $leo and ended_at is null"),
    $SECRET, 'the agents have it';
for my $path ('/famille', $page, '/famille/demandes', '/mes-donnees', "/famille/demandes/$id") {
    for my $c ($jh, $jj) {
        unlike $c->get($path)->content, qr/Valjean|jugement/, "not the other guardian: $path";
    }
}
is $jj->get("/famille/demandes/$id")->status, 404, 'a request is its asker\'s';
unlike $_->get($page)->content, qr/Valjean/, 'nor is it in the file' for $ch, $cj;
is row("select count(*) from portal.outbox where data::text like '%Valjean%'"), 0, 'nor in a mail';


### a child more, a guardian more

$r = $ch->get('/famille');
ok $r->links->{$_}, "$_ is led to" for qw(/famille/enfants/ajout /famille/responsables/ajout);
$r = $ch->get('/famille/enfants/ajout');
like $r->title, qr/^Ajouter un enfant/, 'the form of a child';
unlike $r->text, qr/Niveau/, 'no level without a school';
is $ch->submit($r, { last_name => 'Martin' })->status, 422, 'a child has a name and a birth date';
$id = request_of($ch->submit($r, { last_name => 'Martin', first_name => 'Zélie',
    birth_date_day => '2', birth_date_month => '5', birth_date_year => '2024',
    insurer => 'MAIF' }), 'a child');
like $ch->get('/famille')->text, qr/Ajouter un enfant · Zélie Martin/, 'shown on the file';
{
    my $number = row("select number from portal.change_set where id = $id");
    my @her = (last_name => 'MARTIN', first_name => 'Zelie');
    my $born = '2024-05-02';
    my %born = (birth_date_day => '2', birth_date_month => '5', birth_date_year => '2024');
    for my $step (qw(check send)) {
        my $again = $ch->submit($ch->get('/famille/enfants/ajout'), { @her, %born, step => $step });
        is $again->status, 422, "not twice, $step";
        like $again->text, qr/L’ajout de cet enfant est déjà demandé : c’est la demande $number, en cours/,
            'which the form says, with the number';
        is { @{ $again->form('/famille/enfants/ajout')->{fields} } }->{first_name}, 'Zelie', 'and is filled';
    }
    my $again = json_post($cj, '/famille/enfants/ajout', { @her, birth_date => $born });
    is codes($again), 'first_name:child_asked', 'JSON: no more';
    like $again->json->{errors}[0]{message}, qr/la demande $number,/, 'with the number';
    is row("select count(*) from portal.change_set where section = 'child_general' and action = 'add'"), 1,
        'one request';
    my $twin = request_of(json_post($cj, '/famille/enfants/ajout', { @her, birth_date => '2024-05-03' }),
        'born another day it is another child');
    my $other = request_of(json_post($cj, '/famille/enfants/ajout', { last_name => 'Martin',
        first_name => 'Zoé', birth_date => $born }), 'and so with another name');
    is codes(json_post($cj, "/famille/enfants/ajout/$other", { first_name => 'Zélie' })),
        'first_name:child_asked', 'nor is another request mended into it';
    $other = request_of(json_post($cj, "/famille/enfants/ajout/$other", { first_name => 'Zoée' }),
        'itself it is');
    is json_post($jj, '/famille/enfants/ajout', { @her, birth_date => $born, step => 'check' })->status, 200,
        'of the other guardian nothing is told';
    is json_post($cj, "/famille/demandes/$_", {})->json->{notice}, 'withdrawn', 'taken back' for $twin, $other;
    $id = request_of(json_post($cj, "/famille/enfants/ajout/$id", { first_name => 'Zélie',
        diet => 'vegetarian' }), 'mended as it is');
}
unlike $jh->get('/famille')->text, qr/Zélie/, 'of who asked alone';
is $jj->get("/famille/enfants/ajout/$id")->status, 404, 'and no other mends it';
accepted_ok($id, 'accepted');
my ($zelie) = grep { $_->{first_name} eq 'Zélie' } @{ $jj->get('/famille')->json->{children} };
ok $zelie, 'it is in the file of both';
is_deeply [$zelie->{rank}, $zelie->{insurance}{insurer}, scalar @{ $zelie->{authorisations} }],
    [3, 'MAIF', 7], 'last, with its answers from the first day';
is codes(json_post($cj, '/famille/enfants/ajout', { last_name => 'MARTIN',
    first_name => 'Zelie', birth_date => '2024-05-02' })), 'first_name:child_known', 'once';

my $one = request_of(json_post($cj, '/famille/responsables/ajout', { last_name => 'Roy',
    first_name => 'Ève', link => 'guardian', phone_mobile => '0612345679' }), 'a guardian');
my $two = request_of(json_post($cj, '/famille/responsables/ajout', { last_name => 'Roy',
    first_name => 'Max', link => 'other' }), 'another beside');
is scalar @{ $cj->get('/famille')->json->{asked} }, 2, 'both are open';
is codes(json_post($cj, '/famille/responsables/ajout', { last_name => 'Roy',
    authority => 'yes', first_name => 'A', link => 'other' })), 'authority:not_editable',
    'parental authority is the town\'s to write';
accepted_ok($one, 'accepted');
my ($eve) = grep { $_->{first_name} eq 'Ève' } @{ $jj->get('/famille')->json->{guardians} };
is_deeply [@$eve{qw(rank link phone_mobile connected authority)}],
    [3, 'guardian', '+33612345679', JSON::PP::false(), undef], 'in the file';


### who goes

$r = $ch->get("/famille/enfants/$zelie->{id}");
ok $r->links->{"/famille/enfants/$zelie->{id}/retrait"}, 'a child\'s removal is led to';
$id = request_of(json_post($cj, "/famille/enfants/$zelie->{id}/retrait",
    { comment => 'Erreur de saisie' }), 'a child\'s removal');
like agent_client()->get("/demandes/$id")->text, qr/Qui quitterait le dossier Date de naissance \d/,
    'agents see how old';
like $ch->get("/famille/enfants/$zelie->{id}")->text, qr/Retirer un enfant du dossier · Zélie/,
    'shown on its page';
accepted_ok($id, 'accepted');
is $ch->get("/famille/enfants/$zelie->{id}")->status, 404, 'gone from the file';
is row("select count(*) from portal.child where id = $zelie->{id}"), 1, 'and not deleted';
like $ch->get("/famille/demandes/$id")->text, qr/Retirer un enfant du dossier · Zélie Martin/,
    'the request can still be read';

my $julien = row("select id from portal.guardian where first_name = 'Julien' and tenant = 1");
my $account = row("select account_id from portal.subscription where guardian_id = $julien");
is codes(json_post($cj, "/famille/responsables/$julien/retrait", {})), 'comment:required', 'words';
$id = request_of(json_post($cj, "/famille/responsables/$julien/retrait",
    { comment => 'Séparation' }), 'a guardian\'s removal');
is $jh->get('/famille')->status, 200, 'Julien reads on';
like agent_client()->get("/demandes/$id")->text,
    qr/Lien avec les enfants Père.*Autorité parentale Oui.*Abonné au portail Oui/s, 'agents see who he is';
my @his = map { request_of($_, 'his own') }
    json_post($jj, "/famille/responsables/$julien/adresse", { street => 'rue Neuve' }),
    json_post($jj, "$page/generales", { birth_place => 'Arras' });
my $town = agent_client();
my $open = $town->get("/demandes/$his[0]");
like $town->get("/demandes/$id")->text, qr/accepter met fin à son accès/,
    'the agent is told what accepting does';
unlike $open->text, qr/met fin à son accès/, 'and of no other request';
my $form_of = $town->get("/demandes/$id");
is $town->submit($form_of, { step => 'accept' }, form => "/demandes/$id")->status, 303, 'accepted';
unlike $town->get("/demandes/$id")->text, qr/met fin à son accès/, 'which it says no more';
isnt $jh->get('/famille')->status, 200, 'his subscription ended with it';
{
    my $mail = letter('julien.martin@exemple.fr', 'guardian_removed');
    like $mail->{subject}, qr/^Vous n’êtes plus dans le dossier d’une famille/, 'he is told';
    my $numbers = join '.*', map { row("select number from portal.change_set where id = $_") } @his;
    like $mail->{text}, qr/depuis le \d+ \w+ 20\d\d, vous n’êtes plus responsable dans le dossier «.+»/,
        'since when';
    like $mail->{text}, qr/sont closes.*$numbers/s, 'which of his requests have ended';
    like $mail->{text}, qr/Si c’est une erreur, appelez le 0/, 'and what to do about it';
    unlike $mail->{text}, qr/Camille|Séparation|famille\/demandes/, 'not who asked for it, nor a page that is not his';
    is row("select count(*) from portal.outbox where template = 'guardian_removed'"), 1, 'once';
}
for my $his (@his) {
    is row("select c.state || ' ' || e.by_kind from portal.change_set c join portal.change_event e
        on e.set_id = c.id and e.version = c.version where c.id = $his"), 'withdrawn town', 'ended by the town';
    like $town->get("/demandes/$his")->text, qr/Close par la mairie.*demande close par la mairie/s, 'agents read that';
}
$r = $town->submit($open, { step => 'accept' }, form => "/demandes/$his[0]");
is $r->status, 409, 'an agent who has one open';
like $r->text, qr/n’est plus à traiter/, 'is told';
is row("select count(*) || ' ' || count(ended_at) || ' ' || count(guardian_id)
    from portal.subscription where account_id = $account"), '1 1 0', 'and stays known';
is scalar @{ $jj->get('/mes-donnees')->json->{subscriptions} }, 1, 'to its person too';
is join(' ', map { $_->{first_name} } @{ $cj->get('/famille')->json->{guardians} }),
    'Camille Ève', 'who is left';

my $sophie = row("select id from portal.guardian where first_name = 'Sophie' and tenant = 1");
is codes(json_post($sj, "/famille/responsables/$sophie/retrait", { comment => 'Je pars' })),
    ':last_guardian', 'a family keeps a guardian';
my $camille = row("select id from portal.guardian where first_name = 'Camille' and tenant = 1");
my @race = map { request_of(json_post($cj, "/famille/responsables/$_/retrait",
    { comment => 'Je pars' }), 'two go') } $eve->{id}, $camille;
accepted_ok($race[0], 'the first accepted');
like row("select portal.t_accept($race[1])"), qr/last_guardian/, 'the second not';


### as agents decide it, from their own pages

{
    my $agent = agent_client(json => 1);
    my $decide = sub {
        my ($id, $step, %more) = @_;
        my $version = $agent->get("/demandes/$id")->json->{version};
        return json_post($agent, "/demandes/$id", { step => $step, version => $version,
            %more });
    };
    my $hc = "/famille/enfants/$hugo/contacts";

    my $add = request_of(json_post($sj, "$hc/nouveau", { %jeanne, first_name => 'Rosalie',
        rank => 1 }), 'a contact');
    my $seen = $agent->get("/demandes/$add")->json;
    is $seen->{request}{subject}, 'Rosalie Vasseur · Hugo Moreau-Dubois', 'whose contact';
    my %choice = map { $_->{field} => 'accept' } @{ $seen->{items} };
    my $r = $decide->($add, 'partly', %choice, last_name => 'refuse', reason => 'Non');
    is codes($r), 'last_name:required', 'nobody is added without a name';
    $r = $decide->($add, 'partly', %choice, collect => 'refuse', reason => 'Papiers ?');
    is $r->json->{notice}, 'request_partly', 'added in part' or diag $r->content;
    is_deeply [map { "$_->{first_name} $_->{collect}" }
        @{ $sj->get("/famille/enfants/$hugo")->json->{child}{contacts} }]->[0],
        'Rosalie 0', 'who may not collect';

    my $rosalie = row("select id from portal.contact where first_name = 'Rosalie'");
    my $ban = request_of(json_post($sj, "$hc/interdiction", { comment => 'Jugement' }), 'a report');
    is $agent->get("/demandes/$ban")->json->{request}{comment}, 'Jugement', 'agents read it';
    is codes($decide->($ban, 'partly', reason => 'Non')), ':whole_only', 'not in part';
    is $agent->get('/')->json->{requests}[0]{urgent}, JSON::PP::true(), 'before all else';
    like $town->get("/demandes/$ban")->text, qr/déclaré par la famille, non validé/, 'as long as it waits';
    is $decide->($ban, 'accept')->json->{notice}, 'request_accepted', 'recorded';
    unlike $town->get("/demandes/$ban")->text, qr/non validé/, 'what is decided waits no more';
    is_deeply [grep { $_->{urgent} } @{ $agent->get('/?etat=done')->json->{requests} }], [],
        'nor is anything in the list of what is decided';
    is row("select count(*) from portal.collect_ban where child_id = $hugo"), 1, 'once';

    my $go = request_of(json_post($sj, "$hc/$rosalie/retrait", { comment => 'Non' }), 'a removal');

    # nobody goes in part
    my $pages = agent_client();
    my $case = $pages->get("/demandes/$go");
    like $case->text, qr/Qui quitterait le dossier.*Voisin.*06.*Peut venir chercher l’enfant Non/s,
        'the agent reads who would go';
    like $case->text, qr/entier/, 'all or nothing';
    unlike $case->text, qr/chaque ligne du tableau/, 'there is no table to answer in';
    unlike $case->content, qr/<table|value="partly"/, 'nor the button';
    my $leaves = $agent->get("/demandes/$go")->json->{leaves};
    is "@$leaves{qw(link collect)}", 'neighbour 0', 'as JSON too';
    for my $reason ({}, { reason => 'Non' }) {
        is codes($decide->($go, 'partly', %$reason)), ':whole_only', 'not in part';
        $r = $pages->submit($pages->get("/demandes/$go"), { step => 'partly', %$reason },
            form => "/demandes/$go");
        is $r->status, 422, 'as a page too';
        like $r->text, qr/s’accepte ou se refuse en entier/, 'which says why';
        is row("select state from portal.change_set where id = $go"), 'sent', 'it waits';
    }

    is $decide->($go, 'refuse', reason => 'Non')->json->{notice}, 'request_refused', 'refused';
    is row("select count(*) from portal.contact where id = $rosalie"), 1, 'who stays';
    $go = request_of(json_post($sj, "$hc/$rosalie/retrait", { comment => 'Si' }), 'again');
    is $decide->($go, 'accept')->json->{notice}, 'request_accepted', 'accepted';
    is row("select count(*) from portal.contact where id = $rosalie"), 0, 'who goes';
    is $agent->get("/demandes/$go")->json->{request}{subject_gone}, JSON::PP::false(),
        'as was asked';

    # the town asks for more: the same request is completed
    my $more = request_of(json_post($sj, '/famille/enfants/ajout', { last_name => 'Dubois',
        first_name => 'Ana', birth_date => '2023-01-02' }), 'a child');
    $decide->($more, 'incomplete', reason => 'Son deuxième prénom ?');
    my $edit = $sj->get("/famille/demandes/$more")->json->{request}{edit};
    is $edit, "/famille/enfants/ajout/$more", 'to be completed';
    is request_of(json_post($sj, $edit, { first_name => 'Ana Rose' }), 'completed'), $more,
        'under its number';
    is $decide->($more, 'accept')->json->{notice}, 'request_accepted', 'accepted';
    is_deeply [map { $_->{first_name} } @{ $sj->get('/famille')->json->{children} }]->[-1],
        'Ana Rose', 'in the file';
    $_ = row("select subject from portal.change_set where id = $more");
    is $_, 'Ana Rose Dubois', 'by its last name';
}


### T011: what is not yours is not there

my $strange = row("select k.id from portal.contact k where k.child_id = $adam limit 1");
for my $path (map({ ("/famille/enfants/$adam/$_", "/famille/enfants/99999/$_") }
    'generales', 'autorisations', 'retrait', 'contacts/nouveau', 'contacts/interdiction',
    "contacts/$strange/modifier", "contacts/$strange/retrait"),
    "$page/contacts/$strange/modifier", "$page/contacts/$strange/retrait",
    "/famille/enfants/$nina/contacts/$contacts[0]{id}/modifier",
    "/famille/responsables/$sophie/retrait", '/famille/responsables/ajout/99999',
    '/famille/enfants/ajout/99999', "/famille/enfants/ajout/$two")
{
    for my $c ($ch, $cj) {
        is $c->get($path)->status, 404, "GET $path";
    }
    is json_post($cj, $path, $path =~ /retrait|interdiction/ ? { comment => 'Je veux' } : {},
        page => '/famille')->status, 404, "POST $path";
}


### twenty at once are one

$r = $sh->get("/famille/enfants/$hugo/contacts/nouveau");
my $count = "select count(*) from portal.change_set where subject like 'Unique Vasseur%'";
my @got = Portal::Pending->pages(map { $sh->submit($r, { %jeanne, first_name => 'Unique' },
    pending => 1) } 1 .. 20);
is scalar(grep { $_->status == 303 } @got), 20, 'twenty answers';
is scalar(keys %{ { map { $_->location => 1 } @got } }), 1, 'lead to one receipt';
is row($count), 1, 'of one request';
is row("select count(*) from portal.outbox where template = 'contact_asked'
    and data->>'name' = 'Unique Vasseur'"), 1, 'that was told once';


### two guardians go at once: one stays

{
    accepted_ok($two, 'a second guardian');
    my $max = row("select id from portal.guardian where first_name = 'Max'");
    my @go = ($race[1], request_of(json_post($cj, "/famille/responsables/$max/retrait",
        { comment => 'Lui aussi' }), 'both are asked for'));
    # whose asker goes ends with their access: this one's is nobody here
    $portal->psql("update portal.change_set set account_id = null where id = $go[1]");
    my @agents = map { scalar agent_client(json => 1, role => $_) } qw(validator administrator);
    my @got = Portal::Pending->pages(map {
        my $page = $agents[$_]->get("/demandes/$go[$_]")->json;
        $agents[$_]->post("/demandes/$go[$_]", { csrf => $page->{csrf}, step => 'accept',
            version => $page->{version} }, pending => 1);
    } 0, 1);
    is join(' ', sort map { $_->status } @got), '200 422', 'one goes';
    is codes((grep { $_->status == 422 } @got)[0]), ':last_guardian', 'the other may not';
    is row('select count(*) from portal.guardian where family_id = 1'), 1, 'one is left';
}


### each request says what it does, and for whom

{
    my $hc = "/famille/enfants/$hugo/contacts";
    my $who = row("select id from portal.contact where child_id = $hugo and first_name = 'Odile'");
    my %named = (
        'Ajouter un contact · Zoé Vasseur · Hugo Moreau-Dubois' =>
            request_of(json_post($sj, "$hc/nouveau", { %jeanne, first_name => 'Zoé' }), 'an addition'),
        'Modifier un contact · Odile Vasseur · Hugo Moreau-Dubois' =>
            request_of(json_post($sj, "$hc/$who/modifier", { phone_home => '03 53 01 99 77' }), 'a change'),
        'Retirer un contact · Odile Vasseur · Hugo Moreau-Dubois' =>
            request_of(json_post($sj, "$hc/$who/retrait", { comment => 'Partie' }), 'a removal'),
        'Signaler une interdiction · Hugo Moreau-Dubois' =>
            request_of(json_post($sj, "$hc/interdiction", { comment => 'Un jugement' }), 'a report'),
    );
    my $agent = agent_client();
    my %page = map { $_ => $sh->get($_)->text } '/famille/demandes', '/mes-donnees', "/famille/enfants/$hugo";
    my $queue = $agent->get('/')->text;

    for my $name (sort keys %named) {
        my $id = $named{$name};
        my $number = row("select number from portal.change_set where id = $id");
        my ($what, $subject) = split / · /, $name, 2;
        like $sh->get("/famille/demandes/$id")->text, qr/\Q$name\E/, "$name: its page";
        like $agent->get("/demandes/$id")->text, qr/\Q$name\E/, "$name: the agent's";
        like $queue, qr/\Q$number\E.{0,20}\Q$what $subject\E/s, "$name: the queue";
        like $page{'/mes-donnees'}, qr/\Q$name\E/, "$name: « Mes données »";
        like $page{"/famille/enfants/$hugo"}, qr/\Q$name\E/, "$name: the child's page";
        like $page{'/famille/demandes'}, qr/\Q$what\E · Demande n° \Q$number $subject\E/, "$name: « Mes demandes »";
        ok wait_for(30, sub { grep { ($_->{subject} // '') =~ /$number/ && $_->{text} =~ /\Q$name\E/ }
            mails(to => 'sophie.dubois@exemple.fr', wait => 0) }), "$name: the mail";
        unlike $th->get($_)->text, qr/\Q$number\E/, "$name: not Thomas'"
            for '/famille/demandes', "/famille/enfants/$hugo";
    }
    like $agent->get("/demandes/$named{'Retirer un contact · Odile Vasseur · Hugo Moreau-Dubois'}")->text,
        qr/Une autre demande .{0,120} – Modifier un contact · Odile Vasseur/, 'another one about the same is named';
    unlike $agent->get("/demandes/$named{'Modifier un contact · Odile Vasseur · Hugo Moreau-Dubois'}")->text,
        qr/Une autre demande [^–]{0,120} – Ajouter un contact · Zoé/, 'not one about another contact';
    unlike join(' ', values %page, $queue), qr/Contact · /, 'none is a mere contact';
}


### what writes to others is bounded

{
    my $account = row("select id from portal.account where email = 'sophie.dubois\@exemple.fr'");
    $portal->psql("update portal.attempt set count = 60, next_at = first_at + interval '1 day'
        where kind = 'ask' and key = int8send($account)");
    my $path = "/famille/enfants/$hugo/contacts/nouveau";
    $r = json_post($sj, $path, { %jeanne, first_name => 'Trop' });
    is $r->status, 429, 'not without end';
    is codes($r), ':too_many', 'said';
    $r = $sh->submit($sh->get($path), { %jeanne, first_name => 'Trop' });
    is $r->status, 429, 'HTML: not without end';
    like $r->text, qr/Trop/, 'HTML: with what was typed';
    is row("select count(*) from portal.change_set where subject like 'Trop %'"), 0, 'nothing is kept';
    request_of(json_post($sj, "/famille/enfants/$hugo/contacts/interdiction",
        { comment => 'Jugement' }), 'a report never waits');
}

done_testing;
