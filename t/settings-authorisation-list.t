#!/usr/bin/perl

# The list of authorisations, as administrators keep it: what they add is asked of
# families at once, what they take out is asked no more and its answers stay, and
# all pages have their order.

use strict;
use warnings;
use utf8;

use Encode qw(decode);
use JSON::PP ();
use Portal::Fault qw(as_json);
use Portal::Place qw(slurp);
use Portal::Test;

my $portal = portal();
my ($admin) = agent_client(role => 'administrator');
my $desk = as_json($admin);
my $list = '/reglages/autorisations';
my @usual = qw(image_internal image_press image_web leave_alone transport hospital swimming);

sub row { my $v = $portal->psql($_[0]); return defined $v ? decode('UTF-8', $v) : undef }
sub codes { join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub listed { join ' ', map { $_->{code} } @{ $desk->get($list)->json->{authorisations} } }
sub post {
    my ($path, %fields) = @_;

    return json_post($desk, $path, { version => $desk->get($path)->json->{version}, %fields });
}
my %bike = (title_fr => 'Sorties à vélo', words_fr => 'J’autorise mon enfant à sortir à vélo.',
    title_en => 'Bicycle outings', words_en => 'I allow my child to go out by bicycle.');

my $parent = client();
sign_in($parent, account('couple'));
my $jp = as_json($parent);
my $child = $jp->get('/famille')->json->{children}[0]{id};
my $page = "/famille/enfants/$child";
my $family = row("select min(family_id) from portal.child_family where child_id = $child");

sub answer { my ($code) = @_; return (grep { $_->{code} eq $code } @{ $jp->get($page)->json->{child}{authorisations} })[0] }
sub blocks { return +{ map { $_->{block} => $_ } @{ $jp->get('/famille/verification')->json->{blocks} } } }
sub request_id { ($_[0]->json->{location} // '') =~ m{/demandes/(\d+)} ? $1 : undef }
sub decide {
    my ($id, %fields) = @_;

    return json_post($desk, "/demandes/$id", { version => $desk->get("/demandes/$id")->json->{version}, step => 'accept', %fields });
}


### who may

for my $role (qw(reader validator)) {
    my $j = as_json(scalar agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : ()));
    my $csrf = $j->get('/session')->json->{csrf};
    is $j->get($_)->status, 403, "$role: not $_" for $list, "$list/ajout", "$list/transport/liste";
    is $j->post($list, { csrf => $csrf, up => 'transport', version => 'x' })->status, 403, 'moves none';
    is $j->post("$list/ajout", { csrf => $csrf, %bike, version => 'x' })->status, 403, 'adds none';
    is $j->post("$list/transport/liste", { csrf => $csrf, step => 'withdraw', version => 'x' })->status, 403, 'takes none out';
}
is listed(), join(' ', @usual), 'the list that a town begins with';


### what pages call ours is what programs are told

for my $lang (qw(fr en)) {
    my $labels = JSON::PP->new->utf8->decode(slurp(top() . "/src/lang/$lang.json"))->{list}{code};
    for my $code (@usual) {
        is row("select portal.authorisation_title('$code', '$lang') where set_config('portal.tenant', '1', false) <> ''"), $labels->{$code}, "$code, $lang";
    }
}


### another one

my $r = $admin->get($list);
like $r->content, qr{href="$list/ajout"}, 'the list leads to it';
$r = $admin->submit($admin->get("$list/ajout"), { %bike, title_fr => '', words_en => '' });
is $r->status, 422, 'a name is needed';
like $r->text, qr/Écrivez le nom de cette autorisation/, 'in words, beside it';
like $r->content, qr/mon enfant .{1,4}sortir/, 'what was typed stays';
is codes(post("$list/ajout", %bike, words_en => undef)), 'words_en:required', 'so is the text in English where the town offers it';
is codes(post("$list/ajout", %bike, title_en => undef)), 'title_en:required', 'and the name';
is codes(post("$list/ajout", %bike, title_fr => 'x' x 81)), 'title_fr:too_long', 'a name is short';
$r = $admin->submit($admin->get("$list/ajout"), { %bike, title_fr => 'rentrer SEUL' });
is $r->status, 422, 'a name that is there already';
like $r->text, qr/porte déjà ce nom\s: «\sRentrer seul\s»/, 'is said to be, with which one';
is codes(post("$list/ajout", %bike, title_en => 'Going home, alone')), 'title_en:title_taken', 'in English too';
is json_post($desk, "$list/ajout", { %bike })->status, 428, 'a version is compulsory';
is row("select count(*) from portal.audit where action = 'save_authorisation'"), 0, 'nothing was written';
is row("select authorisations from portal.town where id = 1"), '{}', 'nothing at all';

unlike $parent->get($page)->text, qr/Sorties à vélo/, 'families are not asked before';
my $verified = blocks()->{"enfant-$child"};
$portal->psql("insert into portal.verification (tenant, section, child_id, family_id, by_guardian, verified_on)
    select 1, s.name, $child, $family, u.guardian_id, portal.today() - 1 from portal.section s
    join portal.subscription u on u.family_id = $family and u.ended_at is null
    where s.name like 'child%' and s.name <> 'child_photo' on conflict do nothing");
$portal->psql("update portal.authorisation set answer = 'yes', answered_on = portal.today() - 1, school_year = null,
    text_id = (select max(t.id) from portal.authorisation_text t where t.tenant = 1 and t.lang = 'fr' and t.code = portal.authorisation.code)
    where child_id = $child");
is blocks()->{"enfant-$child"}, undef, 'all of the child is verified';

$r = $admin->submit($admin->get("$list/ajout"), \%bike);
is $r->location, "$list?avis=settings_saved", 'added' or diag $r->text;
is listed(), "@usual own_1", 'it is the last one';
like $admin->get($list)->text, qr/Sorties à vélo J’autorise mon enfant à sortir à vélo/, 'by its name';
is row("select outcome || ' ' || array_to_string(names, ',') from portal.audit where action = 'save_authorisation'"), 'added own_1', 'one row, without a word';
is row("select authorisations from portal.town where id = 2"), '{}', 'another town has none';

like $parent->get($page)->text, qr/Participer aux baignades.*Sorties à vélo Sans réponse/s, 'families see it at once, unanswered';
is_deeply [@{ answer('own_1') }{qw(answer title text)}], ['unanswered', 'Sorties à vélo', undef], 'so do programs';
like $parent->get("$page/autorisations")->text, qr/Sorties à vélo.*J’autorise mon enfant à sortir à vélo/s, 'the form asks';
like $parent->get("$page/autorisations")->content, qr/name="own_1" type="radio"/, 'with an answer to choose';
ok blocks()->{"enfant-$child"}, '« Tout vérifier » asks for it';
ok blocks()->{"enfant-$child"}{can}, 'though nobody has to answer it';
$portal->psql("insert into portal.field_policy (tenant, section, field, policy, validation) values (1, 'child_authorisations', 'own_1', 'required', 'agent')");
ok !blocks()->{"enfant-$child"}{can}, 'made compulsory it is to be answered, not passed over';
like $parent->get("/famille/verification?bloc=enfant-$child")->text, qr/Il manque une information.*?: Sorties à vélo\./s, 'in words';
$portal->psql("delete from portal.field_policy where tenant = 1 and section = 'child_authorisations' and field = 'own_1'");
like $parent->get("/famille/verification?bloc=enfant-$child")->text, qr/Sorties à vélo/, 'by its name';
like $parent->get('/mes-donnees')->text, qr/Sorties à vélo/, '« Mes données » has it';
like $admin->get('/reglages/enfants/autorisations')->text, qr/Sorties à vélo/, 'it can be made compulsory';
{
    my $h = client();
    sign_in($h, account('couple'));
    $h->submit($h->get('/langue'), { lang => 'en' }, form => '/langue#');
    like $h->get($page)->text, qr/Bicycle outings/, 'in English';
    like $h->get("$page/autorisations")->text, qr/Bicycle outings.*I allow my child to go out by bicycle/s, 'the form too';
    $h->submit($h->get('/langue'), { lang => 'fr' }, form => '/langue#');
}
is json_post($jp, '/famille/verification', { block => "enfant-$child", version => blocks()->{"enfant-$child"}{version} })->status, 200, 'who leaves it says so';
is blocks()->{"enfant-$child"}, undef, 'and is asked no more';
$portal->psql("update portal.verification set verified_on = verified_on - 1 where child_id = $child and verified_on = portal.today()");


### an answer, all the way

$r = $parent->submit($parent->get("$page/autorisations"), { own_1 => 'yes', step => 'check' });
like $r->text, qr/Sorties à vélo.*Accordée.*J’autorise mon enfant à sortir à vélo/s, 'it is shown before it is sent' or diag $r->text;
my $id = request_id(json_post($jp, "$page/autorisations", { own_1 => 'yes' }));
ok $id, 'a request';
is blocks()->{"enfant-$child"}, undef, 'that is asked for no more';
my $seen = (grep { $_->{field} eq 'own_1' } @{ $desk->get("/demandes/$id")->json->{items} })[0];
is_deeply [@{$seen}{qw(now asked withdrawn_on)}, $seen->{agreement}{text}], ['unanswered', 'yes', undef, $bike{words_fr}], 'agents read it';
like $admin->get("/demandes/$id")->text, qr/Sorties à vélo/, 'by its name';
is decide($id)->status, 200, 'accepted';
is answer('own_1')->{answer}, 'yes', 'in the file';
is answer('own_1')->{text}, $bike{words_fr}, 'with its text';
like $admin->get("/familles/$family")->text, qr/Sorties à vélo.*?Accordée/s, 'where agents see it';
my $told = row("select portal.authorisation_title(c.field, 'fr') || ' ' || c.field from portal.change c where c.field = 'own_1' and set_config('portal.tenant', '1', false) is not null");
is $told, 'Sorties à vélo own_1', 'the town\'s software hears of it';
like letter(account('couple')->{email}, 'change_accepted')->{text}, qr/Sorties à vélo/, 'and the mail names it';


### its name and its text

is codes(post("$list/own_1", title_fr => 'Rentrer seul')), 'title_fr:title_taken', 'not by the name of another one';
is codes(post("$list/own_1", title_en => undef)), 'title_en:text_stays', 'English is not taken away';
is post("$list/own_1", title_fr => 'Sorties en vélo')->status, 200, 'another name';
is answer('own_1')->{title}, 'Sorties en vélo', 'at once';
is answer('own_1')->{answer}, 'yes', 'the answer stays';
is row("select array_to_string(names, ',') from portal.audit where action = 'save_authorisation' order by id desc limit 1"), 'own_1,title_fr', 'noted';
is codes(post("$list/swimming", title_fr => 'Bains')), ':nothing_asked', 'ours keep their names';


### their order

{
    my $shown = sub { join ' ', map { $_->{code} } @{ $jp->get($page)->json->{child}{authorisations} } };
    my $form = sub { my %n; join ' ', grep { !$n{$_}++ } $parent->get("$page/autorisations")->content =~ /name="(\w+)" type="radio"/g };
    $r = $admin->get($list);
    like $r->content, qr/name="down" value="image_internal"/, 'the first goes down';
    unlike $r->content, qr/name="up" value="image_internal"|name="down" value="own_1"/, 'not up, nor the last down';
    my $stale = $admin->get($list);
    is $admin->submit($r, { up => 'transport' }, form => "$list#")->location, "$list?avis=settings_saved", 'one is moved up';
    my $now = 'image_internal image_press image_web transport leave_alone hospital swimming own_1';
    is $_->(), $now, 'which is the order now' for \&listed, $shown, $form;
    is $admin->submit($stale, { up => 'transport' }, form => "$list#")->status, 409, 'over an older list nothing is moved';
    is post($list, down => 'hospital')->status, 200, 'one is moved down';
    is $_->(), 'image_internal image_press image_web transport leave_alone swimming hospital own_1', 'so is that' for \&listed, $shown, $form;
    is codes(post($list, up => 'image_internal')), ':nothing_asked', 'the first stays the first';
    is codes(post($list, down => 'own_1')), ':nothing_asked', 'the last the last';
    is codes(post($list)), ':nothing_asked', 'nothing is nothing';
    is codes(post($list, up => 'own_2')), ':nothing_asked', 'what is not on the list does not move';
    is codes(post($list, up => 'rien')), 'up:choice', 'and there is no other';
    is row("select array_to_string(names, ',') from portal.audit where action = 'save_authorisation' order by id desc limit 1"), 'hospital,rank', 'noted';
    my $etag = $desk->get($list)->header('etag');
    is $desk->post($list, { csrf => $desk->get('/session')->json->{csrf}, up => 'own_1' }, headers => { 'If-Match' => '"x"' })->status, 412, 'If-Match counts';
    is $desk->post($list, { csrf => $desk->get('/session')->json->{csrf}, up => 'own_1' }, headers => { 'If-Match' => $etag })->status, 200, 'and is enough';
}


### out of the list

$id = request_id(json_post($jp, "$page/autorisations", { own_1 => 'no', transport => 'no' }));
ok $id, 'a request is under way';
$r = $admin->get("$list/own_1");
like $r->content, qr{href="$list/own_1/liste"}, 'its page leads to it';
$r = $admin->get("$list/own_1/liste");
like $r->text, qr/Sorties en vélo.*Réponses valables aujourd’hui\s*1.*Demandes à traiter qui y répondent\s*1.*Ces demandes restent/s, 'the agent is told what there is';
is_deeply [@{ $desk->get("$list/own_1/liste")->json }{qw(requests answers withdrawn_on)}], [1, 1, undef], 'so is a program';
is codes(post("$list/own_1/liste", step => 'restore')), ':nothing_asked', 'it is on the list';
my $open = $parent->get("$page/autorisations");
$r = $admin->submit($r, { step => 'withdraw' });
is $r->location, "$list?avis=settings_saved", 'taken out' or diag $r->text;
unlike listed(), qr/own_1/, 'it is not on the list';
like $admin->get($list)->text, qr/Autorisations qui ne sont plus demandées.*Sorties en vélo – Plus demandée depuis le .*demandes à traiter\s: 1/s, 'but below it';
is row("select outcome || ' ' || array_to_string(names, ',') from portal.audit where action = 'save_authorisation' order by id desc limit 1"), 'withdrawn own_1', 'noted';
is $parent->submit($open, { own_1 => 'no', step => 'send' })->status, 409, 'who has the form open hears that it has changed';
unlike $parent->get("$page/autorisations")->content, qr/name="own_1"/, 'the form asks no more';
is answer('own_1'), undef, 'nor does the file show it';
unlike $_, qr/vélo/, 'on no page of today' for $parent->get('/famille')->text, $admin->get("/familles/$family")->text, $admin->get('/reglages/enfants/autorisations')->text;
is json_post($jp, "$page/autorisations", { own_1 => 'yes', leave_alone => 'no' })->status, 422, 'nobody answers it';
like $parent->get('/mes-donnees')->text, qr/Sorties en vélo \(Plus demandée depuis le .*?Accordée .*?sortir à vélo/s, 'but « Mes données » keeps the answer';
my ($mine) = grep { $_->{of}{id} == $child } map { @{ $_->{children} } } @{ $jp->get('/mes-donnees')->json->{families} };
is $mine->{former_authorisations}[0]{answer}, 'yes', 'for programs too';
like $parent->get('/mes-donnees.csv')->text, qr/Sorties en vélo.*Plus demandée/s, 'and in the file';
$r = $admin->get("/demandes/$id");
like $r->text, qr/Sorties en vélo Plus demandée depuis le .*La réponse acceptée est gardée/s, 'the request says so';
is decide($id)->status, 200, 'it is decided all the same';
is row("select answer from portal.authorisation where child_id = $child and code = 'own_1'"), 'no', 'nothing is lost';
is answer('transport')->{answer}, 'no', 'what is on the list is in the file';
is codes(post("$list/ajout", %bike, title_fr => 'Sorties en vélo', title_en => 'x')), 'title_fr:title_former', 'its name is not free';
is codes(post("$list/own_1/liste", step => 'withdraw')), ':nothing_asked', 'it is out already';
is $desk->get("$list/own_2/liste")->status, 404, 'what never was is not there';
is $desk->get("$list/rien/liste")->status, 404, 'nor what cannot be';


### and back

is post("$list/own_1/liste", step => 'restore')->status, 200, 'back';
like listed(), qr/ own_1$/, 'it is the last one';
is answer('own_1')->{answer}, 'no', 'with the answer that was kept';
is row("select outcome from portal.audit where action = 'save_authorisation' order by id desc limit 1"), 'restored', 'noted';
is post("$list/swimming/liste", step => 'withdraw')->status, 200, 'one of ours goes likewise';
unlike $parent->get("$page/autorisations")->content, qr/name="swimming"/, 'and is asked no more';
is post("$list/$_/liste", step => 'withdraw')->status, 200, "$_ goes" for grep { $_ ne 'swimming' } @usual;
is codes(post("$list/own_1/liste", step => 'withdraw')), ':last_one', 'but not the last one';


### twelve of them

for my $n (2 .. 12) {
    post("$list/ajout", %bike, title_fr => "Sortie $n", title_en => "Outing $n");
}
is scalar(split ' ', listed()), 12, 'twelve';
is codes(post("$list/ajout", %bike, title_fr => 'De trop', title_en => 'One more')), ':twelve_own', 'no more';
like $admin->get($list)->text, qr/déjà ses douze autorisations/, 'which the list says';
unlike $admin->get($list)->content, qr{href="$list/ajout"}, 'and leads nowhere';
like $parent->get("$page/autorisations")->text, qr/Sortie 12/, 'the last one is asked, too';
is row('select portal.check_documents()'), 0, 'the ready documents are as building them makes them';

done_testing;
